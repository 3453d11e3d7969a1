//! The pages and their files, and 404 for everything else.

use super::ui::{etag_of, settings_text};
use crate::app::App;
use crate::exchange::Exchange;
use crate::respond::{ApiError, compressed};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK,
    REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use nanotdb_core::config::WebSection;
use nanotdb_ui::Index;
use std::borrow::Cow;
use std::path::{Component, Path, PathBuf};
use warp::reply::Response;

/// Largest file of `web.web_root` that is sent.
const MAX_FILE: u64 = 64 << 20;

/// Whether `path` is a page or a file of the pages.
pub(super) fn is_page(app: &App, path: &str) -> bool {
    let web = &app.engine.config().web;
    is_address(web, path)
        || nanotdb_ui::has_asset(path)
        || edited(app, path).is_some_and(|file| std::fs::metadata(file).is_ok_and(|found| found.is_file()))
}

/// Whether the page itself is at `path`; which view it shows is decided in the browser.
fn is_address(web: &WebSection, path: &str) -> bool {
    let path = path.strip_suffix('/').filter(|rest| !rest.is_empty()).unwrap_or(path);
    let below = path.strip_prefix(web.base_path.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    below || ["/", "/index.html", "/api-tester", &web.explore_path, &web.engine_path].contains(&path)
}

/// Where the edited form of a file would be, with `web.web_root`.
fn edited(app: &App, path: &str) -> Option<PathBuf> {
    let root = &app.engine.config().web.web_root;
    if root.as_os_str().is_empty() {
        return None;
    }
    let inside = Path::new(path.strip_prefix('/')?);
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_)));
    (plain && !path.contains('\\') && !path.contains('\0')).then(|| app.engine.root().join(root).join(inside))
}

/// The bytes of an edited file, when there is one.
fn read_edited(app: &App, path: &str) -> Option<Vec<u8>> {
    let file = edited(app, path)?;
    std::fs::metadata(&file).ok().filter(|found| found.is_file() && found.len() <= MAX_FILE)?;
    std::fs::read(file).ok()
}

/// A page or a file of the pages; 404 for any other path.
pub(super) fn page(app: &App, exchange: &Exchange) -> Result<Response, ApiError> {
    let web = &app.engine.config().web;
    let path = exchange.uri.path();
    if is_address(web, path) {
        let settings = settings_text(app);
        let index = match read_edited(app, "/index.html") {
            Some(template) => Some(nanotdb_ui::fill_index(&template, &settings)),
            None => nanotdb_ui::index(&settings),
        };
        let Some(Index { bytes, etag }) = index else {
            let message = "this program was built without the web interface; the API is under /api/v1";
            return Err(ApiError::new(StatusCode::NOT_FOUND, message));
        };
        let mut response = file_head(web, "text/html; charset=utf-8", "no-cache", &etag)?;
        if let Some(first) = first_request(web, path) {
            let link = format!("<{first}>; rel=preload; as=fetch; crossorigin");
            let link = HeaderValue::from_str(&link).map_err(|_| ApiError::internal())?;
            response.headers_mut().insert(LINK, link);
        }
        return Ok(match is_known(exchange, &etag) {
            true => not_modified(response),
            false => {
                response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
                compressed(exchange, response, bytes)
            }
        });
    }
    if let Some(bytes) = read_edited(app, path) {
        // Edited files keep their names, so that these say nothing about their content.
        let etag = etag_of(&bytes);
        let response = file_head(web, nanotdb_ui::content_type(path), "no-cache", &etag)?;
        return Ok(match is_known(exchange, &etag) {
            true => not_modified(response),
            false => compressed(exchange, response, bytes),
        });
    }
    let Some(asset) = nanotdb_ui::asset(path, exchange.header(ACCEPT_ENCODING)) else {
        let message = format!("there is nothing at {path}; the API is under /api/v1, the page at /");
        return Err(ApiError::new(StatusCode::NOT_FOUND, message));
    };
    let keep = if asset.immutable { "public, max-age=31536000, immutable" } else { "no-cache" };
    let mut response = file_head(web, asset.content_type, keep, asset.etag)?;
    let headers = response.headers_mut();
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if is_known(exchange, asset.etag) {
        return Ok(not_modified(response));
    }
    if let Some(encoding) = asset.encoding {
        headers.insert(CONTENT_ENCODING, HeaderValue::from_static(encoding));
    }
    *response.body_mut() = match asset.bytes {
        Cow::Borrowed(bytes) => bytes.into(),
        Cow::Owned(bytes) => bytes.into(),
    };
    Ok(response)
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

fn file_head(web: &WebSection, media: &'static str, keep: &'static str, etag: &str) -> Result<Response, ApiError> {
    let value = |text: &str| HeaderValue::from_str(text).map_err(|_| ApiError::internal());
    let mut response = Response::default();
    let headers: &mut HeaderMap = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(media));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(keep));
    headers.insert(ETAG, value(etag)?);
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(CONTENT_SECURITY_POLICY, value(&policy(web))?);
    Ok(response)
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

/// Whether the client has what this ETag is of.
pub(super) fn is_known(exchange: &Exchange, etag: &str) -> bool {
    let names = |list: &str| list.split(',').any(|one| matches!(one.trim(), "*") || weak(one.trim()) == weak(etag));
    exchange.header(IF_NONE_MATCH).is_some_and(names)
}

fn weak(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// The answer for a client that has it already.
pub(super) fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    *response.body_mut() = bytes::Bytes::new().into();
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_of_the_page() {
        let web = WebSection { base_path: "/panels".into(), ..WebSection::default() };
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
        let mut web = WebSection { base_path: "/panels".into(), ..WebSection::default() };
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
