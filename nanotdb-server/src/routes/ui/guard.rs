//! What keeps pages of other sites from changing anything here through a visitor's browser.

use crate::app::App;
use crate::exchange::Exchange;
use crate::respond::ApiError;
use http::StatusCode;
use http::header::{HOST, ORIGIN};

/// Refuses with 403 what a browser sent for a page of another site. Programs send no such headers.
pub(crate) fn check_same_origin(exchange: &Exchange) -> Result<(), ApiError> {
    let site = exchange.header("sec-fetch-site");
    let origin = exchange.header(ORIGIN);
    let foreign = match (site, origin) {
        // Newer browsers say it themselves, whatever a proxy makes of Host.
        (Some(site), _) => !matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = exchange.uri.authority().map(|a| a.as_str()).or_else(|| exchange.header(HOST));
            !host.is_some_and(|host| is_of(origin, host))
        }
        (None, None) => false,
    };
    if foreign {
        let from = origin.or(site).unwrap_or_default();
        let message = format!("this request comes from another site ({from}); send it from this server's own pages");
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
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

/// 415 unless the body is announced as JSON: forms of other sites cannot do that.
pub(super) fn check_json(exchange: &Exchange) -> Result<(), ApiError> {
    let media = exchange.content_type.as_ref().and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media = media.split(';').next().unwrap_or_default().trim();
    if media.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    let message = format!("Content-Type {media:?}: send the body as application/json");
    Err(ApiError::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, message))
}

/// For everything that changes something: 403 with `web.read_only`, or for another site.
pub(super) fn check_change(app: &App, exchange: &Exchange) -> Result<(), ApiError> {
    if app.engine.config().web.read_only {
        let message = "web.read_only = true in engine.toml: nothing can be changed here";
        return Err(ApiError::new(StatusCode::FORBIDDEN, message));
    }
    check_same_origin(exchange)
}

#[cfg(test)]
mod tests {
    use super::is_of;

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
