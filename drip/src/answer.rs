//! What an answer of the server means for the samples that were sent.

use crate::client::Answer;
use hyper::StatusCode;
use serde::Deserialize;

/// What became of a request with samples.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Everything was taken, or refused line by line, which no repetition changes.
    Taken { rejected: u64, first: Option<String> },
    /// The request as a whole is unusable: smaller ones may do, the same one will not.
    Refused { reason: String, too_large: bool },
    /// Something about the server, or the way to it: the same request may do later.
    Later(String),
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    error: String,
    data: Option<Totals>,
}

#[derive(Deserialize)]
struct Totals {
    #[serde(default)]
    rejected: u64,
}

/// Bytes of an answer that is not the server's own which are shown.
const EXCERPT_CHARS: usize = 120;

/// Judges the answer to an import.
pub(crate) fn judge(answer: &Answer) -> Verdict {
    let status = answer.status;
    let document: Option<Document> = serde_json::from_slice(&answer.body).ok();
    if status.is_success() {
        return match document {
            // A login page of a hotel's network is a 200, too.
            None if status != StatusCode::NO_CONTENT => Verdict::Later("the answer is not NanoTDB's".into()),
            _ => Verdict::Taken { rejected: 0, first: None },
        };
    }
    let reason = describe(answer, document.as_ref());
    match document {
        // A count of rejected lines: the others are stored.
        Some(Document { data: Some(Totals { rejected }), error })
            if status == StatusCode::BAD_REQUEST && rejected > 0 =>
        {
            Verdict::Taken { rejected, first: Some(error) }
        }
        _ if is_about_the_request(status) => {
            Verdict::Refused { reason, too_large: status == StatusCode::PAYLOAD_TOO_LARGE }
        }
        _ => Verdict::Later(reason),
    }
}

/// Of the 4xx, those that say something about credentials, the address or the moment are not about what was sent.
fn is_about_the_request(status: StatusCode) -> bool {
    const ELSEWHERE: [u16; 9] = [401, 402, 403, 404, 405, 407, 408, 425, 429];
    status.is_client_error() && !ELSEWHERE.contains(&status.as_u16())
}

fn describe(answer: &Answer, document: Option<&Document>) -> String {
    let said = match document {
        Some(document) if !document.error.is_empty() => document.error.clone(),
        _ => String::from_utf8_lossy(&answer.body).trim().chars().take(EXCERPT_CHARS).collect(),
    };
    format!("{}: {said}", answer.status)
}

/// A series in an answer of `/api/v1/query`, which has one sample of it, or of `/api/v1/query_range`: seconds and text.
#[derive(Deserialize)]
struct Series {
    value: Option<(f64, String)>,
    values: Option<Vec<(f64, String)>>,
}

/// What such an answer has.
#[derive(Deserialize)]
struct Data {
    result: Vec<Series>,
    #[serde(default)]
    warnings: Vec<String>,
    /// The warnings are of damage, which stays.
    #[serde(default)]
    damaged: bool,
}

fn data(body: &[u8]) -> Result<Data, String> {
    #[derive(Deserialize)]
    struct Found {
        data: Data,
    }
    let found: Result<Found, _> = serde_json::from_slice(body);
    found.map(|found| found.data).map_err(|e| format!("not an answer of NanoTDB: {e}"))
}

const NO_SAMPLES: &str = "not an answer of NanoTDB: a series without samples";

/// The newest sample of a metric.
#[derive(Debug, PartialEq)]
pub(crate) struct Newest {
    /// Its time to the millisecond, in nanoseconds, and its value. `None` when there is none.
    pub(crate) sample: Option<(i64, String)>,
    /// What is damaged behind it: the server had younger ones, and has lost them.
    pub(crate) damage: Option<String>,
}

/// Reads an answer of `/api/v1/query`. An error when the server is not sure that it will keep the sample.
pub(crate) fn newest(body: &[u8]) -> Result<Newest, String> {
    let Data { result, warnings, damaged } = data(body)?;
    let damage = warnings.into_iter().next();
    // It shows what it may lose: whether the samples have arrived is known after its restart.
    if let Some(warning) = damage.as_ref().filter(|_| !damaged) {
        return Err(format!("the server cannot say what it has: {warning}"));
    }
    let Some(first) = result.into_iter().next() else { return Ok(Newest { sample: None, damage }) };
    let (seconds, value) = first.value.ok_or(NO_SAMPLES)?;
    // Cycles are at whole milliseconds, which a double holds exactly enough.
    let sample = Some((((seconds * 1e3).round() as i64).saturating_mul(1_000_000), value));
    Ok(Newest { sample, damage })
}

/// The values in an answer of `/api/v1/query_range`.
pub(crate) fn values(body: &[u8]) -> Result<Vec<String>, String> {
    let mut values = Vec::new();
    for series in data(body)?.result {
        values.extend(series.values.ok_or(NO_SAMPLES)?.into_iter().map(|(_, value)| value));
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> Verdict {
        judge(&Answer {
            status: StatusCode::from_u16(status).unwrap(),
            body: bytes::Bytes::copy_from_slice(body.as_bytes()),
        })
    }

    #[test]
    fn answers_of_the_server() {
        // Bodies as docs/HTTP_API.md shows them.
        let taken = |rejected, first: Option<&str>| Verdict::Taken { rejected, first: first.map(str::to_owned) };
        assert_eq!(answer(200, r#"{"status":"success","data":{"imported":5}}"#), taken(0, None));
        assert_eq!(answer(204, ""), taken(0, None));
        assert!(matches!(answer(200, "<html>log in"), Verdict::Later(_)));
        let partial = r#"{"status":"error","errorType":"bad_data","error":"3 lines rejected, 1 sample stored; first: line 2: x",
            "data":{"imported":1,"rejected":3,"errors":[{"line":2,"error":"x"}]}}"#;
        assert_eq!(answer(400, partial), taken(3, Some("3 lines rejected, 1 sample stored; first: line 2: x")));
        let unusable = r#"{"status":"error","errorType":"bad_data","error":"unknown ingest format"}"#;
        assert_eq!(
            answer(400, unusable),
            Verdict::Refused { reason: "400 Bad Request: unknown ingest format".into(), too_large: false }
        );
        assert!(matches!(answer(413, "<html>too large"), Verdict::Refused { too_large: true, .. }));
        assert!(matches!(answer(422, ""), Verdict::Refused { too_large: false, .. }));
        for later in [301, 401, 403, 404, 405, 408, 429, 500, 502, 503, 504] {
            assert!(matches!(answer(later, "{}"), Verdict::Later(_)), "{later}");
        }
        // Part of a body was stored before the disk was full: to be sent again.
        let partly = r#"{"status":"error","error":"disk full","data":{"imported":10,"rejected":2,"errors":[]}}"#;
        assert_eq!(answer(503, partly), Verdict::Later("503 Service Unavailable: disk full".into()));
    }

    #[test]
    fn the_newest_sample_is_exact_to_the_millisecond() {
        let body = br#"{"status":"success","data":{"result":[{"metric":{"__name__":"a","db":"d"},"value":[1715000010.123,"1"]}],"resultType":"vector"}}"#;
        assert_eq!(newest(body).unwrap().sample, Some((1_715_000_010_123_000_000, "1".to_owned())));
        let body = br#"{"status":"success","data":{"result":[{"metric":{},"values":[[1715000010.5,"7"],[1715000011.5,"8"]]}],"resultType":"matrix"}}"#;
        assert_eq!(values(body).unwrap(), ["7", "8"]);
        assert_eq!(values(br#"{"status":"success","data":{"result":[],"resultType":"matrix"}}"#).unwrap().len(), 0);
        let none = newest(br#"{"status":"success","data":{"result":[],"resultType":"vector"}}"#).unwrap();
        assert_eq!(none, Newest { sample: None, damage: None });
        for foreign in [&b"<html>"[..], br#"{"data":{"result":[{"metric":{}}]}}"#] {
            assert!(newest(foreign).unwrap_err().contains("not an answer of NanoTDB"));
            assert!(values(foreign).unwrap_err().contains("not an answer of NanoTDB"));
        }
        assert!(newest(b"<html>").unwrap_err().contains("not an answer of NanoTDB"));
        let body = br#"{"status":"success","data":{"result":[{"metric":{},"value":[1715000010.123,"1"]}],"resultType":"vector","warnings":["database \"d\" is read-only: fsync"]}}"#;
        assert!(newest(body).unwrap_err().contains("is read-only: fsync"));
        // What is damaged stays damaged: nobody waits for it.
        let body = br#"{"status":"success","data":{"result":[{"metric":{},"value":[1715000010.123,"1"]}],"resultType":"vector","damaged":true,"warnings":["a page is damaged"]}}"#;
        let newest = newest(body).unwrap();
        assert_eq!(newest.sample, Some((1_715_000_010_123_000_000, "1".to_owned())));
        assert_eq!(newest.damage.as_deref(), Some("a page is damaged"));
    }
}
