//! What the web interface asks for: `/api/v1/ui/...` and the dashboard document.

mod batch;
mod catalog;
mod dashboard;
mod dashboard_store;
mod documents;
mod endpoints;
mod engine;
mod host;
mod intervals;
mod jobs;
mod numbers;
mod stream;
mod warnings;

pub(super) use catalog::settings_text;
