//! Tells systemd how it goes, when systemd asks for it (`Type=notify`).

use sd_notify::NotifyState;
use std::time::Duration;

/// Cycles begin; a line for `systemctl status`.
pub(crate) fn ready(text: &str) {
    send(&[NotifyState::Ready, NotifyState::Status(text)]);
}

/// The process is about to end.
pub(crate) fn stopping() {
    send(&[NotifyState::Stopping]);
}

/// It is alive.
pub(crate) fn alive() {
    send(&[NotifyState::Watchdog]);
}

/// A line for `systemctl status`.
pub(crate) fn status(text: &str) {
    send(&[NotifyState::Status(text)]);
}

/// How often [`alive`] is to be said; half of what `WatchdogSec=` says. `None` when nobody waits for it.
pub(crate) fn watchdog() -> Option<Duration> {
    sd_notify::watchdog_enabled().map(|limit| limit / 2).filter(|half| !half.is_zero())
}

/// Without NOTIFY_SOCKET this does nothing; a socket that is gone is no reason to stop collecting.
fn send(states: &[NotifyState<'_>]) {
    let _ = sd_notify::notify(states);
}
