//! The ingest formats of NanoTDB: line protocol, its JSON wrapper, and Prometheus text.
//!
//! | name | content types | one sample |
//! |---|---|---|
//! | `line_protocol` | text/plain, application/octet-stream, application/x-www-form-urlencoded (curl's default) | `prod/room.temp 21.5 1715000000000000000` |
//! | `json` | application/json | `{"lines":"prod/room.temp 21.5\nprod/room.hum 48"}` |
//! | `prometheus` | application/openmetrics-text | `http_requests_total{code="200"} 1027 1715000000000` |
//!
//! Naming this crate once (`use nanotdb_ingest as _;`) registers them.

#![deny(unsafe_code)]

mod excerpt;
mod json;
mod line_protocol;
mod lines;
pub mod number;
mod prometheus;

pub use json::JsonLines;
pub use line_protocol::LineProtocol;
pub use prometheus::{Prometheus, looks_like_prometheus};

use nanotdb_core::plugin::{IngestFormatPlugin, inventory};

inventory::submit! { IngestFormatPlugin(&LineProtocol) }
inventory::submit! { IngestFormatPlugin(&JsonLines) }
inventory::submit! { IngestFormatPlugin(&Prometheus) }
