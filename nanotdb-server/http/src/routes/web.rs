//! The pages and their files, and 404 for everything else.

use super::ui::settings_text;
use crate::app::App;
use crate::caching::{etag_of, is_known, not_modified};
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::respond::compressed;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HOST, LINK,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use nanotdb_core::storage::vfs::{RealVfs, Vfs};
use nanotdb_server_settings::WebSection;
use nanotdb_ui::Index;
use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use warp::reply::Response;

/// Largest file of `web.web_root` that is sent.
const MAX_FILE: u64 = 64 << 20;

/// Whether `path` is a page or a file of the pages.
pub(super) fn is_page(app: &App, path: &str) -> bool {
    let web = app.state::<WebSection>();
    is_address(web, path) || nanotdb_ui::has_asset(path) || edited(app, path).is_some()
}

/// Whether the page itself is at `path`; which view it shows is decided in the browser.
fn is_address(web: &WebSection, path: &str) -> bool {
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let below = path.strip_prefix(web.base_path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below || ["/", "/index.html", "/api-tester", &web.explore_path, &web.engine_path].contains(&path)
}

/// Where the edited form of a file is, with `web.web_root`. Hidden files are none, and no link is followed: both may be anybody's.
fn edited(app: &App, path: &str) -> Option<PathBuf> {
    let root = &app.state::<WebSection>().web_root;
    if root.as_os_str().is_empty() {
        return None;
    }
    let inside = Path::new(path.strip_prefix('/')?);
    let is_plain = |part: Component<'_>| match part {
        Component::Normal(name) => !name.as_encoded_bytes().starts_with(b"."),
        _ => false,
    };
    if !inside.components().all(is_plain) || path.contains('\\') || path.contains('\0') {
        return None;
    }
    let mut at = app.engine.root().join(root);
    for part in inside.components() {
        at.push(part);
        if std::fs::symlink_metadata(&at).ok()?.is_symlink() {
            return None;
        }
    }
    at.is_file().then_some(at)
}

/// The bytes of an edited file, when there is one.
fn read_edited(app: &App, path: &str) -> Option<Vec<u8>> {
    let file = edited(app, path)?;
    RealVfs.read(&file, MAX_FILE).ok()
}

/// A page or a file of the pages. For any other path 404: with the page, which says so, for browsers, with JSON for others.
pub(super) fn page(app: &App, exchange: &Exchange) -> Result<Response, ApiError> {
    let web = app.state::<WebSection>();
    let path = exchange.uri.path();
    if is_address(web, path) {
        let Some(Index { bytes, etag }) = index(app) else {
            let message = "this program was built without the web interface; the API is under /api/v1";
            return Err(ApiError::new(StatusCode::NOT_FOUND, message));
        };
        let mut response = file_head(app, exchange, "text/html; charset=utf-8", "no-cache", Some(&etag))?;
        if let Some(first) = first_request(web, path) {
            let link = format!("<{first}>; rel=preload; as=fetch; crossorigin");
            let link = HeaderValue::from_str(&link).map_err(|_| ApiError::internal())?;
            response.headers_mut().insert(LINK, link);
        }
        return Ok(match is_known(exchange, &etag) {
            true => not_modified(response),
            false => page_body(exchange, response, bytes),
        });
    }
    match file(app, exchange, path)? {
        Some(response) => Ok(response),
        None => nowhere(app, exchange, path),
    }
}

/// index.html with the settings in it.
fn index(app: &App) -> Option<Index> {
    let settings = settings_text(app);
    match read_edited(app, "/index.html") {
        Some(template) => Some(nanotdb_ui::fill_index(&template, &settings)),
        None => nanotdb_ui::index(&settings),
    }
}

fn page_body(exchange: &Exchange, mut response: Response, bytes: Vec<u8>) -> Response {
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    compressed(exchange, response, bytes)
}

/// A file of the pages: an edited one, or one that is part of the program.
fn file(app: &App, exchange: &Exchange, path: &str) -> Result<Option<Response>, ApiError> {
    if let Some(bytes) = read_edited(app, path) {
        // Edited files keep their names, so that these say nothing about their content.
        let etag = etag_of(&bytes);
        let response = file_head(app, exchange, nanotdb_ui::content_type(path), "no-cache", Some(&etag))?;
        return Ok(Some(match is_known(exchange, &etag) {
            true => not_modified(response),
            false => compressed(exchange, response, bytes),
        }));
    }
    let Some(asset) = nanotdb_ui::asset(path, exchange.header(ACCEPT_ENCODING)) else { return Ok(None) };
    let keep = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = file_head(app, exchange, asset.content_type, keep, Some(asset.etag))?;
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_known(exchange, asset.etag) {
        return Ok(Some(not_modified(response)));
    }
    if let Some(encoding) = asset.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    *response.body_mut() = match asset.bytes {
        Cow::Borrowed(bytes) => bytes.into(),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(Some(response))
}

/// The answer for a path where nothing is.
fn nowhere(app: &App, exchange: &Exchange, path: &str) -> Result<Response, ApiError> {
    let of_the_api = path == "/api" || path.starts_with("/api/");
    let is_browser = exchange.header(ACCEPT).is_some_and(|list| list.contains("text/html"));
    let is_read = exchange.method == Method::GET || exchange.method == Method::HEAD;
    if is_browser
        && is_read
        && !of_the_api
        && let Some(Index { bytes, .. }) = index(app)
    {
        let mut response = file_head(app, exchange, "text/html; charset=utf-8", "no-store", None)?;
        *response.status_mut() = StatusCode::NOT_FOUND;
        return Ok(page_body(exchange, response, bytes));
    }
    let message = format!("there is nothing at {path}; the API is under /api/v1, the page at /");
    Err(ApiError::new(StatusCode::NOT_FOUND, message))
}

/// What the page asks for as soon as its script runs: named in the answer, it is on its way before that.
fn first_request(web: &WebSection, path: &str) -> Option<&'static str> {
    if !web.api_base_url.is_empty() {
        return None;
    }
    let is_dashboard =
        path.strip_prefix(web.base_path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    Some(if is_dashboard && web.base_path != "/" {
        "/api/dashboard-config"
    } else {
        "/api/v1/ui/catalog?internal=true"
    })
}

fn file_head(
    app: &App,
    exchange: &Exchange,
    media: &'static str,
    keep: &'static str,
    etag: Option<&str>,
) -> Result<Response, ApiError> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| ApiError::internal());
    let mut response = Response::default();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    if let Some(etag) = etag {
        headers.insert(ETAG, value(etag)?);
    }
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, value(&policy(app.state()))?);
    headers.insert("permissions-policy", HeaderValue::from_static(UNUSED));
    if is_trustworthy(exchange) {
        headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    }
    Ok(response)
}

/// What the pages never use of a browser, for scripts that should not be there.
const UNUSED: &str = "camera=(), microphone=(), geolocation=(), payment=(), usb=(), serial=(), bluetooth=()";

/// Whether browsers take the origin for a trustworthy one: this machine, or https. Elsewhere they ignore a policy about
/// other windows, and complain of it.
fn is_trustworthy(exchange: &Exchange) -> bool {
    let host = exchange.header(HOST).unwrap_or_default();
    let name = host.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok()).map_or(host, |(name, _)| name);
    let is_https = exchange.header("x-forwarded-proto").is_some_and(|proto| proto.eq_ignore_ascii_case("https"));
    is_https || name == "localhost" || name == "[::1]" || name.starts_with("127.")
}

/// Nothing comes from, and nothing goes to, any other machine but `web.api_base_url`.
fn policy(web: &WebSection) -> String {
    let mut policy = String::from("default-src 'self'; object-src 'none'; base-uri 'none'; frame-ancestors 'self'");
    let url = &web.api_base_url;
    if let Some((scheme, rest)) = url.split_once("://") {
        let host = rest.split('/').next().unwrap_or_default();
        policy.push_str(&format!("; connect-src 'self' {scheme}://{host}"));
    }
    policy
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_page() {
        let mut web = WebSection::default();
        web.base_path = "/panels".into();
        for (path, expected) in [
            ("/", true),
            ("/panels", true),
            ("/panels/", true),
            ("/panels/overview", true),
            ("/panels/edit", true),
            ("/panelsx", false),
            ("/dashboard", false),
            ("/explore", true),
            ("/engine", true),
            ("/api-tester", true),
            ("/api/v2", false),
            ("", false),
        ] {
            assert_eq!(is_address(&web, path), expected, "{path:?}");
        }
    }

    #[test]
    fn pages_name_what_they_ask_for_first() {
        let mut web = WebSection::default();
        web.base_path = "/panels".into();
        assert_eq!(first_request(&web, "/panels/overview"), Some("/api/dashboard-config"));
        assert_eq!(first_request(&web, "/"), Some("/api/v1/ui/catalog?internal=true"));
        web.api_base_url = "https://pi.example.org:8428".into();
        assert_eq!(first_request(&web, "/"), None);
    }

    #[test]
    fn the_policy_allows_the_other_server_alone() {
        let mut web = WebSection::default();
        assert!(!policy(&web).contains("connect-src"));
        web.api_base_url = "https://pi.example.org:8428/nanotdb".into();
        assert!(policy(&web).ends_with("; connect-src 'self' https://pi.example.org:8428"), "{}", policy(&web));
    }
}
