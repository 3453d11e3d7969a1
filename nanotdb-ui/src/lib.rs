//! The web interface of NanoTDB: the built files of `web/`, embedded with ready-made brotli and gzip variants.
//!
//! It uses the HTTP API alone and asks nothing of any other machine. `build.rs` makes the files; without the feature `web`
//! there are none.

#![deny(unsafe_code)]

pub mod dashboard;

use std::borrow::Cow;
use std::io::Read;

/// A built file, ready to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asset {
    /// The body, encoded as `encoding` says.
    pub bytes: Cow<'static, [u8]>,
    /// The Content-Type.
    pub content_type: &'static str,
    /// The Content-Encoding (`br`, `gzip`); `None` is the plain file.
    pub encoding: Option<&'static str>,
    /// The ETag with its quotes; it differs between encodings.
    pub etag: &'static str,
    /// Whether the name holds a hash of the content, so that a browser may keep it for ever.
    pub immutable: bool,
}

/// index.html with the settings of a server in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// The page, `text/html; charset=utf-8`.
    pub bytes: Vec<u8>,
    /// The ETag with its quotes.
    pub etag: String,
}

struct File {
    path: &'static str,
    /// Left out of large files that have a gzip variant, which it is unpacked from.
    plain: Option<&'static [u8]>,
    brotli: Option<&'static [u8]>,
    gzip: Option<&'static [u8]>,
    /// Of the plain file, the brotli and the gzip variant.
    etags: [&'static str; 3],
}

impl File {
    fn at(path: &str) -> Option<&'static File> {
        let path = if path == "/" { "/index.html" } else { path };
        FILES.iter().find(|file| file.path == path)
    }

    /// The plain content. `None` cannot be, as the tests show: it would be a gzip variant that cannot be unpacked.
    fn plain(&self) -> Option<Cow<'static, [u8]>> {
        if let Some(bytes) = self.plain {
            return Some(Cow::Borrowed(bytes));
        }
        let mut bytes = Vec::new();
        flate2::bufread::GzDecoder::new(self.gzip?).read_to_end(&mut bytes).ok()?;
        Some(Cow::Owned(bytes))
    }
}

static FILES: &[File] = include!(concat!(env!("OUT_DIR"), "/assets.rs"));

const PLACEHOLDER: &[u8] = b"__NANOTDB_SETTINGS__";

/// The file at `path` (`/assets/...`, `/icon.svg`, `/index.html`, `/` for the latter), in the best encoding that the client
/// takes by its Accept-Encoding; `None` when there is none.
///
/// ```
/// # if cfg!(feature = "web") {
/// let page = nanotdb_ui::asset("/", None).unwrap();
/// assert_eq!(page.content_type, "text/html; charset=utf-8");
/// assert!(page.bytes.starts_with(b"<!doctype html>"));
/// # }
/// assert!(nanotdb_ui::asset("/no-such-thing", Some("br, gzip")).is_none());
/// ```
pub fn asset(path: &str, accept_encoding: Option<&str>) -> Option<Asset> {
    let file = File::at(path)?;
    let [plain, brotli, gzip] = file.etags;
    let accepts = |name| accept_encoding.is_some_and(|list| accepted(list, name));
    let (bytes, encoding, etag) = match (file.brotli, file.gzip) {
        (Some(bytes), _) if accepts("br") => (Cow::Borrowed(bytes), Some("br"), brotli),
        (_, Some(bytes)) if accepts("gzip") => (Cow::Borrowed(bytes), Some("gzip"), gzip),
        _ => (file.plain()?, None, plain),
    };
    let immutable = file.path.starts_with("/assets/");
    Some(Asset { bytes, content_type: content_type(file.path), encoding, etag, immutable })
}

/// Whether [`asset`] has something at `path`.
pub fn has_asset(path: &str) -> bool {
    File::at(path).is_some()
}

/// Paths and plain contents of all files: for writing them to a directory.
pub fn assets() -> impl Iterator<Item = (&'static str, Cow<'static, [u8]>)> {
    FILES.iter().filter_map(|file| Some((file.path, file.plain()?)))
}

/// The page for all addresses of the interface, with `settings` (a JSON document) placed into it; `None` when the
/// interface was left out.
pub fn index(settings: &str) -> Option<Index> {
    Some(fill_index(&asset("/", None)?.bytes, settings))
}

/// [`index`] for an index.html from elsewhere: one that was exported and edited.
///
/// ```
/// let page = nanotdb_ui::fill_index(b"<meta content=\"__NANOTDB_SETTINGS__\">", r#"{"title":"A & B"}"#);
/// assert_eq!(page.bytes, b"<meta content=\"{&quot;title&quot;:&quot;A &amp; B&quot;}\">");
/// ```
pub fn fill_index(template: &[u8], settings: &str) -> Index {
    let escaped = settings.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;").replace('>', "&gt;");
    let at = template.windows(PLACEHOLDER.len()).position(|window| window == PLACEHOLDER);
    let bytes = match at.and_then(|at| template.split_at_checked(at)) {
        Some((before, rest)) => {
            [before, escaped.as_bytes(), rest.get(PLACEHOLDER.len()..).unwrap_or_default()].concat()
        }
        None => template.to_vec(),
    };
    // FNV-1a: it only has to differ when the page does.
    let hash = bytes
        .iter()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3));
    Index { etag: format!("\"{hash:016x}\""), bytes }
}

/// The Content-Type by the end of a file's name; octets when it is none of ours.
pub fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map_or("", |(_, extension)| extension) {
        "html" => "text/html; charset=utf-8",
        "css" => "text/css; charset=utf-8",
        "js" => "text/javascript; charset=utf-8",
        "svg" => "image/svg+xml",
        "json" => "application/json",
        "png" => "image/png",
        "woff2" => "font/woff2",
        _ => "application/octet-stream",
    }
}

/// Whether an Accept-Encoding list takes `name` (RFC 9110, section 12.5.3): named with a weight other than 0, or by `*`.
fn accepted(list: &str, name: &str) -> bool {
    let weight = |wanted: &str| {
        list.split(',').find_map(|item| {
            let (coding, parameters) = item.split_once(';').unwrap_or((item, ""));
            let quality = || parameters.trim().strip_prefix("q=").map_or(Some(1.0), |q| q.trim().parse::<f32>().ok());
            coding.trim().eq_ignore_ascii_case(wanted).then(|| quality().unwrap_or(0.0))
        })
    };
    weight(name).or_else(|| weight("*")).is_some_and(|q| q > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodings_follow_the_list_of_the_client() {
        for (list, brotli, gzip) in [
            ("gzip, deflate, br, zstd", true, true),
            ("gzip;q=0.5", false, true),
            ("br;q=0, *", false, true),
            ("BR ; q=0.3", true, false),
            ("*;q=0", false, false),
            ("identity", false, false),
            ("", false, false),
        ] {
            assert_eq!((accepted(list, "br"), accepted(list, "gzip")), (brotli, gzip), "{list:?}");
        }
    }

    /// Every file that the page names is embedded, and nothing comes from another machine.
    #[cfg(feature = "web")]
    #[test]
    fn the_page_is_complete_and_stays_on_this_machine() {
        let page = String::from_utf8(asset("/", None).unwrap().bytes.to_vec()).unwrap();
        for attribute in ["href=\"", "src=\""] {
            for (at, _) in page.match_indices(attribute) {
                let value = page[at + attribute.len()..].split('"').next().unwrap();
                let known = asset(value, None).is_some() || value.starts_with("/api/");
                assert!(known, "{value} is not embedded");
            }
        }
        // Names of XML namespaces, and addresses in texts of libraries, are no requests; a style sheet or page with one would be.
        for (path, bytes) in assets() {
            if path.ends_with(".css") || path.ends_with(".html") {
                let text = std::str::from_utf8(&bytes).unwrap();
                assert!(!text.contains("https://") && !text.contains("http://"), "{path} names another machine");
            }
        }
    }

    /// The ready-made variants are what `asset` says they are.
    #[cfg(feature = "web")]
    #[test]
    fn variants_have_their_own_etags_and_fit_their_encoding() {
        assert_eq!(assets().count(), FILES.len());
        for (path, bytes) in assets() {
            let plain = asset(path, None).unwrap();
            assert_eq!((&plain.bytes, plain.encoding), (&bytes, None));
            // Without Node there is none, and one page, which is embedded as it is.
            if let Ok(built) = std::fs::read(format!("{}/web/dist{path}", env!("CARGO_MANIFEST_DIR"))) {
                assert!(bytes == built, "{path} is not what was built");
            }
            let gzip = asset(path, Some("gzip")).unwrap();
            if gzip.encoding == Some("gzip") {
                assert!(gzip.bytes.starts_with(&[0x1f, 0x8b]), "{path}");
                assert_ne!(gzip.etag, plain.etag);
                assert!(gzip.bytes.len() < bytes.len() + 32, "{path}");
            }
            assert_eq!(plain.immutable, path.starts_with("/assets/"));
        }
    }

    #[test]
    fn settings_are_placed_and_change_the_etag() {
        let template = b"a __NANOTDB_SETTINGS__ b";
        let (one, two) = (fill_index(template, "{\"a\":1}"), fill_index(template, "{\"a\":2}"));
        assert_eq!(one.bytes, b"a {&quot;a&quot;:1} b");
        assert_ne!(one.etag, two.etag);
        assert_eq!(fill_index(b"no place for them", "{}").bytes, b"no place for them");
    }
}
