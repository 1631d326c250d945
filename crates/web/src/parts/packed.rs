//! What is long and has nothing secret in it, packed for browsers that take it so. Other pages are not: the length of what is packed tells
//! of what is in it, to whoever can put something beside it.

use std::io::Write as _;

use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse as _, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use maud::Markup;

/// Packs what is kept in memory or made at once.
pub fn packed(content: &[u8], how_well: Compression) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), how_well);
    encoder.write_all(content).expect("memory takes it");
    encoder.finish().expect("memory takes it")
}

/// Whether whoever asks takes what is packed.
pub fn is_taken(headers: &HeaderMap) -> bool {
    let accepted = headers.get(header::ACCEPT_ENCODING);
    let accepted = accepted
        .and_then(|accepted| accepted.to_str().ok())
        .unwrap_or_default();
    accepted.split(',').any(|coding| coding.trim() == "gzip")
}

/// A long page.
pub fn page(headers: &HeaderMap, page: Markup) -> Response {
    let varies = [(header::VARY, "accept-encoding")];
    if !is_taken(headers) {
        return (varies, page).into_response();
    }
    let kind = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CONTENT_ENCODING, "gzip"),
    ];
    let content = packed(page.into_string().as_bytes(), Compression::default());
    (varies, kind, content).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use axum::body::to_bytes;
    use axum::http::HeaderValue;
    use flate2::read::GzDecoder;
    use maud::html;

    use super::*;

    #[tokio::test]
    async fn a_long_page_is_packed_for_who_takes_it() {
        let long = || html! { @for _ in 0..1000 { p { "the same again" } } };
        let plain = page(&HeaderMap::new(), long());
        assert!(plain.headers().get(header::CONTENT_ENCODING).is_none());
        let plain = to_bytes(plain.into_body(), usize::MAX).await.expect("a body");

        let mut headers = HeaderMap::new();
        let browsers = HeaderValue::from_static("br, gzip, deflate");
        headers.insert(header::ACCEPT_ENCODING, browsers);
        let packed = page(&headers, long());
        assert_eq!(packed.headers()[header::CONTENT_ENCODING], "gzip");
        let packed = to_bytes(packed.into_body(), usize::MAX).await.expect("a body");
        assert!(packed.len() * 10 < plain.len());
        let mut unpacked = Vec::new();
        GzDecoder::new(&*packed)
            .read_to_end(&mut unpacked)
            .expect("unpacks");
        assert_eq!(unpacked, plain);
    }
}
