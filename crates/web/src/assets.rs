//! What pages load: styles and scripts. Their addresses name what is in them, so that they may be kept for ever.

use std::sync::LazyLock;

use axum::Router;
use axum::extract::Path;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use flate2::Compression;

use crate::Site;
use crate::parts::packed::{is_taken, packed};

/// Something that pages load.
struct Asset {
    name: &'static str,
    kind: &'static str,
    content: &'static [u8],
    digest: String,
    compressed: Vec<u8>,
}

const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const STYLES: &str = "text/css; charset=utf-8";

static ASSETS: LazyLock<Vec<Asset>> = LazyLock::new(|| {
    let all: [(&str, &str, &[u8]); 9] = [
        ("style.css", STYLES, include_bytes!("../assets/style.css")),
        ("page.js", JAVASCRIPT, include_bytes!("../assets/page.js")),
        (
            "htmx.js",
            JAVASCRIPT,
            include_bytes!("../assets/vendor/htmx-2.0.11.min.js"),
        ),
        (
            "sse.js",
            JAVASCRIPT,
            include_bytes!("../assets/vendor/htmx-ext-sse-2.2.4.min.js"),
        ),
        (
            "uplot.js",
            JAVASCRIPT,
            include_bytes!("../assets/vendor/uplot-1.6.32.iife.min.js"),
        ),
        (
            "uplot.css",
            STYLES,
            include_bytes!("../assets/vendor/uplot-1.6.32.min.css"),
        ),
        ("chart.js", JAVASCRIPT, include_bytes!("../assets/chart.js")),
        ("week.js", JAVASCRIPT, include_bytes!("../assets/week.js")),
        ("icon.svg", "image/svg+xml", include_bytes!("../assets/icon.svg")),
    ];
    all.map(|(name, kind, content)| Asset {
        name,
        kind,
        content,
        digest: blake3::hash(content).to_hex()[..16].to_owned(),
        compressed: packed(content, Compression::best()),
    })
    .into()
});

/// The address of one.
pub fn address(name: &str) -> String {
    let asset = ASSETS.iter().find(|asset| asset.name == name);
    let digest = asset.map_or("", |asset| &asset.digest);
    format!("/assets/{digest}/{name}")
}

/// Serves them.
pub fn routes() -> Router<Site> {
    Router::new().route("/assets/{digest}/{name}", get(serve))
}

async fn serve(Path((digest, name)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let found = |asset: &&Asset| asset.name == name && asset.digest == digest;
    let Some(asset) = ASSETS.iter().find(found) else {
        return StatusCode::NOT_FOUND.into_response();
    };
    let always = [
        (header::CONTENT_TYPE, asset.kind),
        (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
        (header::VARY, "accept-encoding"),
    ];
    match is_taken(&headers) {
        true => {
            let gzip = [(header::CONTENT_ENCODING, "gzip")];
            (always, gzip, asset.compressed.as_slice()).into_response()
        }
        false => (always, asset.content).into_response(),
    }
}
