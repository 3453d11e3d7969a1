//! Request parameters: from the query string and, for POST, from a form body.

use crate::body;
use crate::description::{Description, In};
use crate::error::ApiError;
use crate::exchange::Exchange;
use http::{Method, StatusCode};
use nanotdb_core::config::nearest;

/// Most bytes of a form body.
const MAX_FORM: usize = 64 << 10;

/// Decoded parameters. Of those that may be there once there is one: a request that has it twice is refused.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Params(Vec<(String, String)>);

impl Params {
    /// Of the query string alone.
    pub(crate) fn of_query(exchange: &Exchange) -> Result<Self, ApiError> {
        let mut params = Self::default();
        params.add(exchange.uri.query().unwrap_or_default().as_bytes())?;
        Ok(params)
    }

    /// Of the query string and, where an endpoint takes one by POST, of a form body.
    pub(crate) async fn of_request(exchange: &Exchange) -> Result<Self, ApiError> {
        let mut params = Self::of_query(exchange)?;
        if let Some(about) = exchange.about.filter(|about| about.by_form && exchange.method == Method::POST) {
            let bytes = body::read_small(exchange, MAX_FORM).await?;
            if !bytes.is_empty() {
                let media = exchange.content_type.as_ref().and_then(|v| v.to_str().ok()).unwrap_or_default();
                let media = media.split(';').next().unwrap_or_default().trim();
                if !media.is_empty() && !media.eq_ignore_ascii_case("application/x-www-form-urlencoded") {
                    return Err(ApiError::new(
                        StatusCode::BAD_REQUEST,
                        format!("Content-Type {media:?}: send the parameters as application/x-www-form-urlencoded"),
                    ));
                }
                check_names(&[exchange.uri.query().unwrap_or_default().as_bytes(), &bytes], about)?;
                params.add(&bytes)?;
            }
        }
        Ok(params)
    }

    fn add(&mut self, encoded: &[u8]) -> Result<(), ApiError> {
        for pair in encoded.split(|b| *b == b'&').filter(|p| !p.is_empty()) {
            let at = pair.iter().position(|b| *b == b'=').unwrap_or(pair.len());
            let (name, value) = pair.split_at(at);
            let name =
                decode(name).map_err(|text| ApiError::bad(format!("the parameter name {text:?} is not UTF-8")))?;
            let value = decode(value.get(1..).unwrap_or_default())
                .map_err(|text| ApiError::parameter(&name, &text, "give text in UTF-8"))?;
            self.0.push((name, value));
        }
        Ok(())
    }

    /// A parameter; an empty one counts as not given.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str()).filter(|v| !v.is_empty())
    }

    /// All values of a parameter, in order.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// A parameter that must be there.
    pub fn require(&self, name: &str, accepted: &str) -> Result<&str, ApiError> {
        self.get(name).ok_or_else(|| ApiError::bad(format!("parameter {name} is missing: give {accepted}")))
    }

    /// `true`, `false`, `1` or `0`; false when not given.
    pub fn flag(&self, name: &str) -> Result<bool, ApiError> {
        match self.get(name) {
            None | Some("false" | "0") => Ok(false),
            Some("true" | "1") => Ok(true),
            Some(other) => Err(ApiError::parameter(name, other, "give true or false")),
        }
    }
}

/// Refuses names that the endpoint does not know, and those that are there twice, over all of the texts: which of the two was meant is not known.
pub(crate) fn check_names(encoded: &[&[u8]], about: &Description) -> Result<(), ApiError> {
    let mut seen = 0;
    for pair in encoded.iter().flat_map(|text| text.split(|b| *b == b'&')).filter(|pair| !pair.is_empty()) {
        let name = pair.split(|b| *b == b'=').next().unwrap_or_default();
        let plain = !name.iter().any(|b| matches!(b, b'%' | b'+'));
        match std::str::from_utf8(name) {
            Ok(name) if plain => check_name(about, name, &mut seen)?,
            _ => {
                let not_text = |text| ApiError::bad(format!("the parameter name {text:?} is not UTF-8"));
                check_name(about, &decode(name).map_err(not_text)?, &mut seen)?;
            }
        }
    }
    Ok(())
}

/// Refuses a name that is no parameter of the query string or the form, with those that are. `_` is what some clients add to get past caches.
/// `seen` has a bit for each that was there before; one that comes again is refused as well.
fn check_name(about: &Description, name: &str, seen: &mut u64) -> Result<(), ApiError> {
    let place = about.params.iter().position(|param| param.place == In::Query && param.name == name);
    if let Some((param, bit)) = place.and_then(|at| Some((about.params.get(at)?, 1u64.checked_shl(at as u32)?))) {
        let again = *seen & bit != 0 && !param.many;
        *seen |= bit;
        let reason = || format!("parameter {name} is there more than once: give one of them");
        return if again { Err(ApiError::bad(reason())) } else { Ok(()) };
    }
    if about.lenient || name == "_" {
        return Ok(());
    }
    let known: Vec<&str> =
        about.params.iter().filter(|param| param.place == In::Query).map(|param| param.name).collect();
    let hint = match nearest(name, &known) {
        Some(near) => format!("did you mean {near}? known are {}", known.join(", ")),
        None if known.is_empty() => "there are none here".to_owned(),
        None => format!("known are {}", known.join(", ")),
    };
    Err(ApiError::bad(format!("unknown parameter {name:?}: {hint}")))
}

/// Undoes percent-encoding and `+` for a space. A `%` that starts no code stands for itself. What is not UTF-8 is the error.
fn decode(text: &[u8]) -> Result<String, String> {
    let hex = |b: Option<&u8>| b.and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match (hex(text.get(at)), hex(text.get(at + 1))) {
                (Some(high), Some(low)) => {
                    out.push((high * 16 + low) as u8);
                    at += 2;
                }
                _ => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    String::from_utf8(out).map_err(|e| String::from_utf8_lossy(e.as_bytes()).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Params {
        let mut params = Params::default();
        params.add(text.as_bytes()).unwrap();
        params
    }

    #[test]
    fn names_and_values_are_decoded() {
        let params = of("query=a%2Fb%20c+d&end=&pct=100%&start=-5m&flag=true&query=later");
        assert_eq!(params.get("query"), Some("a/b c d"));
        assert_eq!(params.get("end"), None);
        assert_eq!(params.get("pct"), Some("100%"));
        assert_eq!(params.get("start"), Some("-5m"));
        assert!(params.flag("flag").unwrap());
        assert!(!params.flag("absent").unwrap());
    }

    #[test]
    fn wrong_text_is_named() {
        let error = of("details=maybe").flag("details").unwrap_err();
        assert_eq!(error.message, r#"parameter details = "maybe": give true or false"#);
        assert!(Params::default().add(b"a=%ff").is_err());
        let error = of("").require("db", "a database name").unwrap_err();
        assert_eq!(error.message, "parameter db is missing: give a database name");
    }
}
