//! QR codes, for what a phone is to read off the page.

use maud::{Markup, html};
use qrcode::{Color, EcLevel, QrCode};

/// The bright edge around the code, in modules (ISO/IEC 18004, section 5.3.8).
const EDGE: usize = 4;

/// A text as a QR code, with what it is for who can't see it. Nothing where the text is too long for one.
pub fn show(text: &str, label: &str) -> Markup {
    html! {
        @if let Some((side, path)) = drawn(text) {
            svg.qr viewBox={ "0 0 " (side) " " (side) } role="img" aria-label=(label) shape-rendering="crispEdges" {
                path d=(path) {}
            }
        }
    }
}

/// The side of the drawing in modules, and its dark ones as the path of an SVG.
fn drawn(text: &str) -> Option<(usize, String)> {
    let code = QrCode::with_error_correction_level(text, EcLevel::M).ok()?;
    let mut path = String::new();
    for (y, row) in code.to_colors().chunks(code.width()).enumerate() {
        let mut x = EDGE;
        for run in row.chunk_by(|one, next| one == next) {
            let width = run.len();
            if run.first() == Some(&Color::Dark) {
                path.push_str(&format!("M{x} {}h{width}v1h-{width}z", y + EDGE));
            }
            x += width;
        }
    }
    Some((code.width() + 2 * EDGE, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_its_three_corners_and_its_edge() {
        let (side, path) = drawn("otpauth://totp/Perennial:anna?secret=ABC").expect("it is short");
        // Version 3 has 29 modules.
        assert_eq!(side, 29 + 2 * EDGE);
        for corner in ["M4 4h7v1h-7z", "M26 4h7v1h-7z", "M4 26h7v1h-7z", "M4 32h7v1h-7z"] {
            assert!(path.contains(corner), "{corner} is not in {path}");
        }
        assert!(!path.contains("M26 26h7"), "the fourth corner has none: {path}");
    }

    #[test]
    fn what_is_too_long_is_not_drawn() {
        assert_eq!(drawn(&"a".repeat(10_000)), None);
        assert_eq!(show(&"a".repeat(10_000), "").into_string(), "");
    }
}
