//! What keeps pages of other sites from changing anything here through a visitor's browser, and from making the server work.

use crate::app::App;
use crate::endpoint::Found;
use crate::error::ApiError;
use crate::exchange::Exchange;
use crate::hosts::Hosts;
use http::header::{AsHeaderName, HOST, ORIGIN};
use http::request::Parts;
use http::{HeaderMap, HeaderName, StatusCode, Uri};
use nanotdb_server_settings::WebSection;

/// Where a browser says that a request comes from; made once, not from text for every request.
static SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Refuses with 403 what a page of another site makes a browser ask for: `<img src=".../query_range?...">` gets nothing to see, but costs as much as
/// any query. Links that somebody follows pass, and so do pages of the hosts that engine.toml lists.
///
/// Browsers tell this to `https:` and to `localhost`; to other addresses they tell an `Origin` at most, and not with an image.
pub(crate) fn check_site(parts: &Parts, found: &Found, hosts: &Hosts) -> Result<(), ApiError> {
    let is_for_all = match found {
        Found::Nothing => !parts.uri.path().starts_with("/api/"),
        found => found.is_open(),
    };
    if is_for_all {
        return Ok(());
    }
    let header = |name: &str| text(&parts.headers, name);
    let (site, origin) = (text(&parts.headers, &SITE), text(&parts.headers, ORIGIN));
    let foreign = match (site, origin) {
        (Some(site), _) => site == "cross-site",
        (None, Some(origin)) => !host_of(&parts.uri, &parts.headers).is_some_and(|host| is_beside(origin, host)),
        (None, None) => false,
    };
    let is_followed_link = || header("sec-fetch-dest") == Some("document") && header("sec-fetch-user") == Some("?1");
    if !foreign || origin.is_some_and(|origin| hosts.lists_origin(origin)) || is_followed_link() {
        return Ok(());
    }
    Err(from_elsewhere(origin.or(site).unwrap_or_default()))
}

fn text(headers: &HeaderMap, name: impl AsHeaderName) -> Option<&str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

/// What the request calls this server.
fn host_of<'r>(uri: &'r Uri, headers: &'r HeaderMap) -> Option<&'r str> {
    uri.authority().map(|authority| authority.as_str()).or_else(|| text(headers, HOST))
}

fn from_elsewhere(from: &str) -> ApiError {
    let message = format!("this request comes from another site ({from}); send it from this server's own pages");
    ApiError::new(StatusCode::FORBIDDEN, message)
}

/// Refuses with 403 what a browser sent for a page of another site. Programs send no such headers.
pub(crate) fn check_same_origin(exchange: &Exchange) -> Result<(), ApiError> {
    let site = exchange.header(&SITE);
    let origin = exchange.header(ORIGIN);
    let foreign = match (site, origin) {
        // Newer browsers say it themselves, whatever a proxy makes of Host.
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => !host_of(&exchange.uri, exchange.headers()).is_some_and(|host| is_of(origin, host)),
        (None, None) => false,
    };
    if foreign {
        return Err(from_elsewhere(origin.or(site).unwrap_or_default()));
    }
    Ok(())
}

/// Whether an origin (`http://host:port`) is that of `host` (`host:port`).
fn is_of(origin: &str, host: &str) -> bool {
    let Some((scheme, authority)) = origin.split_once("://") else { return false };
    let port = match scheme {
        "http" => ":80",
        "https" => ":443",
        _ => return false,
    };
    let plain = |text: &str| text.strip_suffix(port).unwrap_or(text).to_ascii_lowercase();
    plain(authority) == plain(host)
}

/// Whether an origin is of the same host, whatever the port.
fn is_beside(origin: &str, host: &str) -> bool {
    let without_port = |authority: &str| match authority.rfind(':') {
        Some(at) if !authority.ends_with(']') => authority.get(..at).unwrap_or_default().to_ascii_lowercase(),
        _ => authority.to_ascii_lowercase(),
    };
    origin.split_once("://").is_some_and(|(_, authority)| without_port(authority) == without_port(host))
}

/// 415 unless the body is announced as JSON: forms of other sites cannot do that.
pub(crate) fn check_json(exchange: &Exchange) -> Result<(), ApiError> {
    let media = exchange.content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("Content-Type {media:?}: send the body as application/json");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// For everything that the pages can change: 403 with `web.read_only`.
pub(crate) fn check_change(app: &App) -> Result<(), ApiError> {
    if app.state::<WebSection>().read_only {
        let message = "web.read_only = true in engine.toml: nothing can be changed here";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::endpoint::table;

    #[test]
    fn what_another_site_asks_for_is_not_worked_out() {
        let hosts = Hosts::new(&["wall.example".to_owned()], "");
        let status = |path: &str, headers: &[(&str, &str)]| {
            let mut request = http::Request::get(path).header(HOST, "pi:8428");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            let (parts, ()) = request.body(()).unwrap().into_parts();
            check_site(&parts, &table().find(parts.uri.path(), "GET"), &hosts)
                .map_or_else(|error| error.status.as_u16(), |()| 200)
        };
        let image = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Mode", "no-cors"), ("Sec-Fetch-Dest", "image")];
        for path in ["/api/v1/query_range?query=a/b", "/api/v1/ui/engine", "/api/dashboard-config", "/metrics"] {
            assert_eq!(status(path, &image), 403, "{path}");
            assert_eq!(status(path, &[("Origin", "http://evil.example")]), 403, "{path}");
            assert_eq!(status(path, &[("Origin", "null")]), 403, "{path}");
            for headers in [
                &[][..],
                &[("Sec-Fetch-Site", "same-origin")],
                &[("Sec-Fetch-Site", "none")],
                &[("Sec-Fetch-Site", "same-site"), ("Origin", "http://pi:3000")],
                &[("Origin", "http://pi:3000")],
                &[("Origin", "http://PI")],
                &[("Sec-Fetch-Site", "cross-site"), ("Origin", "https://wall.example")],
                &[("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "document"), ("Sec-Fetch-User", "?1")],
            ] {
                assert_eq!(status(path, headers), 200, "{path} {headers:?}");
            }
        }
        let frame = [("Sec-Fetch-Site", "cross-site"), ("Sec-Fetch-Dest", "iframe"), ("Sec-Fetch-User", "?1")];
        assert_eq!(status("/api/v1/ui/catalog", &frame), 403);
        // The pages themselves, and what asks whether the server lives.
        assert_eq!(status("/dashboard", &image), 200);
        assert_eq!(status("/health", &image), 200);
    }

    #[test]
    fn origins_are_compared_with_the_host() {
        for (origin, host, same) in [
            ("http://pi:8428", "pi:8428", true),
            ("http://PI:8428", "pi:8428", true),
            ("https://pi", "pi", true),
            ("https://pi", "pi:443", true),
            ("http://pi", "pi:80", true),
            ("http://pi", "pi:8428", false),
            ("http://evil:8428", "pi:8428", false),
            ("http://pi.evil", "pi", false),
            ("null", "pi", false),
            ("file://pi", "pi", false),
        ] {
            assert_eq!(is_of(origin, host), same, "{origin} {host}");
        }
    }
}
