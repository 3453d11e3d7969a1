//! Reads the few answers that are checked. By hand, because a time has more digits than a floating-point number
//! keeps, and exactness is what is being checked.

use crate::http::find;
use anyhow::{Context, Result, bail};

/// One row of an answer: Unix nanoseconds and the value as written.
pub(crate) type Row<'a> = (i64, &'a str);

/// The rows of a `query_range` answer about one series; none for an unknown metric.
///
/// # Errors
/// When the answer is not a success, or not in the documented form.
pub(crate) fn samples(body: &[u8]) -> Result<Vec<Row<'_>>> {
    let text = success(body)?;
    let mut rows = Vec::new();
    let Some((before, mut rest)) = text.split_once("\"values\":[") else {
        if text.contains("\"result\":[]") {
            return Ok(rows);
        }
        bail!("neither \"values\" nor an empty \"result\" in: {}", head(text));
    };
    if before.contains("\"values\"") || rest.contains("\"values\":[") {
        bail!("more than one series in the answer");
    }
    loop {
        rest = rest.trim_start_matches([',', '\n', ' ']);
        if rest.starts_with(']') {
            return Ok(rows);
        }
        let (row, after) = row(rest).with_context(|| format!("row {} at: {}", rows.len(), head(rest)))?;
        rows.push(row);
        rest = after;
    }
}

/// The row of a `query` answer; `None` when there is none.
///
/// # Errors
/// As [`samples`].
pub(crate) fn last(body: &[u8]) -> Result<Option<Row<'_>>> {
    let text = success(body)?;
    match text.split_once("\"value\":") {
        Some((_, rest)) => Ok(Some(row(rest).with_context(|| head(rest))?.0)),
        None if text.contains("\"result\":[]") => Ok(None),
        None => bail!("neither \"value\" nor an empty \"result\" in: {}", head(text)),
    }
}

/// The names in `"result":["a","b"]`.
///
/// # Errors
/// As [`samples`].
pub(crate) fn names(body: &[u8]) -> Result<Vec<&str>> {
    let text = success(body)?;
    let (_, rest) = text.split_once("\"result\":[").with_context(|| head(text))?;
    let (list, _) = rest.split_once(']').with_context(|| head(text))?;
    Ok(list.split(',').map(|name| name.trim().trim_matches('"')).filter(|name| !name.is_empty()).collect())
}

fn success(body: &[u8]) -> Result<&str> {
    let text = std::str::from_utf8(body).context("the answer is not UTF-8")?;
    if find(body, b"\"status\":\"success\"").is_none() {
        bail!("not a success: {}", head(text));
    }
    Ok(text)
}

/// `[seconds,"value"]` and what follows.
fn row(text: &str) -> Result<(Row<'_>, &str)> {
    let rest = text.strip_prefix('[').context("expected '['")?;
    let (seconds, rest) = rest.split_once(',').context("expected ','")?;
    let rest = rest.trim_start().strip_prefix('"').context("expected a value in quotes")?;
    let (value, rest) = rest.split_once('"').context("expected a closing quote")?;
    let rest = rest.trim_start().strip_prefix(']').context("expected ']'")?;
    let time = nanoseconds(seconds).with_context(|| format!("time '{seconds}'"))?;
    Ok(((time, value), rest))
}

/// Decimal seconds, not negative, with at most nine digits of fraction.
fn nanoseconds(text: &str) -> Result<i64> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        bail!("expected at most nine digits of fraction");
    }
    let scale = 10_i64.pow(9 - fraction.len() as u32);
    let below = if fraction.is_empty() { 0 } else { fraction.parse::<i64>()? * scale };
    let above = whole.parse::<u32>()?;
    Ok(i64::from(above) * 1_000_000_000 + below)
}

/// The beginning of a text, for a message.
fn head(text: &str) -> String {
    text.chars().take(160).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_to_the_nanosecond() {
        let body = br#"{"status":"success","data":{"resultType":"matrix","result":[{"metric":{"__name__":"m","db":"d"},
            "values":[[1715000000.123456789,"21.5"],[1715000001,"-3"],
            [1715000001.5, "48"]]}]}}"#;
        let expected =
            [(1_715_000_000_123_456_789, "21.5"), (1_715_000_001_000_000_000, "-3"), (1_715_000_001_500_000_000, "48")];
        assert_eq!(samples(body).unwrap(), expected);
    }

    #[test]
    fn an_unknown_metric_has_no_rows() {
        let body = br#"{"status":"success","data":{"resultType":"matrix","result":[]}}"#;
        assert!(samples(body).unwrap().is_empty());
        assert!(last(body).unwrap().is_none());
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        assert!(samples(br#"{"status":"error","error":"x"}"#).is_err());
        assert!(samples(br#"{"status":"success","data":{"result":[{"values":[[1,"2"]"#).is_err());
        assert!(samples(br#"{"status":"success","result":[{"values":[]},{"values":[]}]}"#).is_err());
        assert!(nanoseconds("1.1234567890").is_err());
        assert!(nanoseconds("1e9").is_err());
        assert!(nanoseconds("1.").is_ok_and(|time| time == 1_000_000_000));
    }

    #[test]
    fn reads_names_and_the_last_row() {
        let body = br#"{"status":"success","data":{"result":["a","b.c"],"resultType":"metrics"}}"#;
        assert_eq!(names(body).unwrap(), ["a", "b.c"]);
        let body = br#"{"status":"success","data":{"result":[{"metric":{},"value":[1715000000.5,"7"]}]}}"#;
        assert_eq!(last(body).unwrap(), Some((1_715_000_000_500_000_000, "7")));
    }
}
