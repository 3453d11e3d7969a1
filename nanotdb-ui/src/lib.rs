//! The web page of NanoTDB: plain HTML, CSS and JavaScript, embedded in the binary.
//!
//! The page uses the public HTTP API alone and asks nothing of any other machine.

#![deny(unsafe_code)]

/// Content type and bytes of the page or asset at `path`; `None` when there is none.
///
/// ```
/// let (content_type, page) = nanotdb_ui::asset("/").unwrap();
/// assert_eq!(content_type, "text/html; charset=utf-8");
/// assert!(page.starts_with(b"<!doctype html>"));
/// assert!(nanotdb_ui::asset("/no-such-thing").is_none());
/// ```
pub fn asset(path: &str) -> Option<(&'static str, &'static [u8])> {
    match path {
        "/" | "/index.html" => Some(("text/html; charset=utf-8", include_bytes!("../web/index.html"))),
        "/assets/style.css" => Some(("text/css; charset=utf-8", include_bytes!("../web/style.css"))),
        "/assets/app.js" => Some(("text/javascript; charset=utf-8", include_bytes!("../web/app.js"))),
        "/assets/chart.js" => Some(("text/javascript; charset=utf-8", include_bytes!("../web/chart.js"))),
        "/favicon.ico" | "/assets/icon.svg" => Some(("image/svg+xml", include_bytes!("../web/icon.svg"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Everything the page names is embedded, and nothing comes from another machine.
    #[test]
    fn the_page_is_complete_and_stays_on_this_machine() {
        let (_, page) = asset("/").unwrap();
        let page = std::str::from_utf8(page).unwrap();
        let mut found = 0;
        for attribute in ["href=\"", "src=\""] {
            for (at, _) in page.match_indices(attribute) {
                let value = page[at + attribute.len()..].split('"').next().unwrap();
                assert!(asset(value).is_some(), "{value} is not embedded");
                found += 1;
            }
        }
        assert!(found >= 4, "the page should name its style, scripts and icon");
        for path in ["/", "/assets/style.css", "/assets/app.js", "/assets/chart.js"] {
            let text = std::str::from_utf8(asset(path).unwrap().1).unwrap();
            assert!(!text.contains("https://") && !text.contains("//cdn"), "{path} names another machine");
        }
    }
}
