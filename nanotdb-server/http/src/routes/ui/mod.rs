//! What the web interface asks for: `/api/v1/ui/...` and the dashboard document.
//!
//! Which path and method is which endpoint stands in [`super::table`].

pub(super) mod batch;
pub(super) mod catalog;
pub(super) mod dashboard;
mod dashboard_store;
mod documents;
pub(super) mod engine;
mod guard;
mod host;
mod intervals;
pub(super) mod jobs;
mod numbers;
pub(super) mod stream;
pub(super) mod warnings;

pub(crate) use catalog::{names as database_names, settings_text, state_of};
pub(crate) use dashboard_store::DashboardStore;
pub(crate) use documents::etag_of;
pub(crate) use guard::{check_same_origin, check_site};
pub(crate) use intervals::Intervals;
pub(crate) use jobs::Jobs;
pub(crate) use stream::MOST_STREAMS;
