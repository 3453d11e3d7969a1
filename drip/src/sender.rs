//! Brings cycles to the server: at once while it answers, through the spool while it does not.

use crate::answer::{Verdict, judge, newest};
use crate::backoff::Backoff;
use crate::client::{Answer, Client};
use crate::config::Config;
use crate::hosts;
use crate::identity;
use crate::inbox::Inbox;
use crate::schedule::now_ns;
use crate::spool::CycleText;
use crate::stats::{HOST, MARKER, Stats};
use crate::systemd;
use crate::trouble::{counted, log};
use bytes::Bytes;
use hyper::Method;
use std::path::PathBuf;
use std::pin::pin;
use std::rc::Rc;
use std::time::Duration;
use tokio::time::Instant;

const IMPORT: &str = "/api/v1/import";

/// Bytes of a request, about: those of a segment of the spool.
const REQUEST_BYTES: usize = 64 << 10;
/// Longest wait for a request that is under way when drip is told to end.
const LAST_WAIT: Duration = Duration::from_secs(2);
/// Rejected lines are told when they begin, and again after so long.
const TELL_AGAIN: Duration = Duration::from_secs(3_600);

/// Everything between the cycles and the server.
pub(crate) struct Sender {
    client: Client,
    database: String,
    /// The number of this host there.
    marker: u64,
    root: PathBuf,
    interval: Duration,
    inbox: Inbox,
    stats: Rc<Stats>,
    away: Option<Away>,
    /// What the server has; `None` while that is open: what a request without an answer did, or one of an earlier run.
    known: Option<Known>,
    /// Sends until it is looked again whether another host writes into the same database, and how many there were before.
    until_look: u32,
    look_every: u32,
    /// Something was sent in this run.
    has_sent: bool,
    /// Why it must end: see [`hosts`].
    refused: Option<String>,
    /// Cycles that were sent from the spool, or late, since the server went away; and those that the server had already.
    caught_up: u64,
    had_already: u64,
    told_rejection: Option<Instant>,
    told_damage: bool,
}

/// The server does not answer.
struct Away {
    since: Instant,
    backoff: Backoff,
    retry_at: Instant,
}

/// What the server has of a database.
#[derive(Clone, Copy)]
struct Known {
    /// The newest cycle that it had when it was asked.
    until: i64,
    /// That one is of this host, as far as anybody can tell: before there were numbers of hosts there was one.
    is_ours: bool,
}

/// The server does not answer: what was to be sent is still to be sent.
struct Gone;

/// Sends between two looks for another host at most. Two that begin at the same moment see each other only once both have sent
/// something: so it is looked again after the first one, and then twice as many later each time.
const LOOK_EVERY: u32 = 64;

impl Sender {
    pub(crate) fn new(config: &Config, inbox: Inbox, stats: Rc<Stats>) -> Self {
        Self {
            client: Client::new(config.server.clone(), config.timeout),
            database: config.database.clone(),
            marker: identity::marker(&config.root, &config.database),
            root: config.root.clone(),
            interval: config.interval,
            inbox,
            stats,
            away: None,
            known: None,
            until_look: 0,
            look_every: 1,
            has_sent: false,
            refused: None,
            caught_up: 0,
            had_already: 0,
            told_rejection: None,
            told_damage: false,
        }
    }

    /// Runs until the cycles end. What could not be sent is in the spool then. The error is why it must not go on; `stop` is
    /// called then, for cycles to end.
    pub(crate) async fn run(mut self, stop: impl FnOnce()) -> Result<(), String> {
        let mut stop = Some(stop);
        loop {
            if self.refused.is_some()
                && let Some(stop) = stop.take()
            {
                stop();
            }
            if self.refused.is_none() && self.away.as_ref().is_none_or(|away| away.retry_at <= Instant::now()) {
                // When it is gone there is a time to try again.
                let _ = self.send_all().await;
            }
            if self.away.is_some() {
                self.inbox.spool_pending().await;
            }
            if self.inbox.closing {
                break;
            }
            match self.refused {
                Some(_) if stop.is_some() => {}
                _ => self.wait().await,
            }
        }
        let lost = self.inbox.close().await;
        if lost > 0 {
            log(format_args!("lost, since they could neither be sent nor spooled: {}", counted(lost, "sample")));
        }
        self.refused.map_or(Ok(()), Err)
    }

    /// Until a cycle comes, or the server is to be tried again.
    async fn wait(&mut self) {
        let is_away = self.away.is_some();
        let cycle = match &self.away {
            None => self.inbox.cycles.recv().await,
            Some(away) => match tokio::time::timeout_at(away.retry_at, self.inbox.cycles.recv()).await {
                Ok(cycle) => cycle,
                Err(_) => return,
            },
        };
        self.inbox.received(cycle, is_away).await;
    }

    /// Sends what the spool has, then what is pending, until nothing is left.
    async fn send_all(&mut self) -> Result<(), Gone> {
        let old = self.inbox.has_spooled() || self.away.is_some();
        if self.until_look == 0 || (old && self.known.is_none()) {
            self.look_for_others().await?;
        }
        while !self.inbox.closing
            && let Some(batch) = self.inbox.next_batch(now_ns()).await
        {
            match self.catch_up(batch.cycles).await {
                Err(gone) => {
                    self.inbox.keep();
                    return Err(gone);
                }
                Ok(true) => self.inbox.done(batch.number).await,
                Ok(false) => self.inbox.set_aside(batch.number).await,
            }
        }
        // When drip is told to end, what is newer than the rest of the spool goes behind it.
        while !self.inbox.has_spooled() {
            let cycles = self.inbox.take_pending(REQUEST_BYTES);
            if cycles.is_empty() {
                break;
            }
            let sent = match old {
                true => self.catch_up(cycles.clone()).await.map(|_| ()),
                false => self.send(cycles.clone()).await,
            };
            if let Err(gone) = sent {
                self.inbox.put_back(cycles);
                return Err(gone);
            }
        }
        if old && !self.inbox.has_spooled() {
            self.is_back();
        }
        Ok(())
    }

    /// Sends those of some cycles that the server did not have when it was asked. Returns false when some are left that it
    /// cannot take, because it has newer ones of another host.
    async fn catch_up(&mut self, mut cycles: Vec<CycleText>) -> Result<bool, Gone> {
        let known = self.ask_about(&mut cycles).await?;
        let all = cycles.len() as u64;
        let samples = |cycles: &[CycleText]| cycles.iter().map(|cycle| cycle.lines).sum::<u64>();
        let before = samples(&cycles);
        cycles.retain(|cycle| cycle.timestamp_ns > known.until);
        let (count, left_out) = (cycles.len() as u64, before - samples(&cycles));
        if count > 0 {
            self.send(cycles).await?;
        }
        self.caught_up += count;
        if known.is_ours {
            self.had_already += all - count;
        } else {
            self.stats.dropped.add(left_out);
        }
        Ok(known.is_ours || left_out == 0)
    }

    /// What the server has of the database that these cycles are for. Those of an earlier run may be for another one; when
    /// that is now another host's, which is why this one has got its own, they go to the new one.
    async fn ask_about(&mut self, cycles: &mut [CycleText]) -> Result<Known, Gone> {
        let of = cycles.first().map_or("", |cycle| hosts::database_of(&cycle.text)).to_owned();
        if of != self.database {
            let marker = identity::marker(&self.root, &of);
            let known = self.ask_newest(&of, marker).await?;
            if known.is_ours {
                return Ok(known);
            }
            for cycle in cycles {
                cycle.text = hosts::retarget(&cycle.text, &self.database, self.marker);
            }
        }
        match self.known {
            Some(known) => Ok(known),
            None => {
                let database = self.database.clone();
                let known = self.ask_newest(&database, self.marker).await?;
                self.known = Some(known);
                Ok(known)
            }
        }
    }

    /// Two hosts in one database are told before anything is sent into it, and again now and then.
    async fn look_for_others(&mut self) -> Result<(), Gone> {
        let path = hosts::recent_path(&self.database, self.interval);
        let answer = self.request(Method::GET, &path, Bytes::new()).await?;
        let another = match hosts::another(&answer, self.marker) {
            Ok(another) => another,
            Err(reason) => return Err(self.gone(&reason)),
        };
        match another {
            // Of two that run, one stays: that with the lower number.
            Some(number) if !self.has_sent || number < self.marker => {
                self.refused = Some(hosts::conflict(&self.database));
                Err(Gone)
            }
            _ => {
                self.until_look = self.look_every;
                if self.has_sent {
                    self.look_every = self.look_every.saturating_mul(2).min(LOOK_EVERY);
                }
                Ok(())
            }
        }
    }

    /// Sends cycles in one request, or in smaller ones where the server refuses that.
    async fn send(&mut self, cycles: Vec<CycleText>) -> Result<(), Gone> {
        let mut parts = vec![cycles];
        while let Some(part) = parts.pop() {
            let body: String = part.iter().map(|cycle| cycle.text.as_str()).collect();
            let answer = self.request(Method::POST, IMPORT, Bytes::from(body)).await?;
            match judge(&answer) {
                Verdict::Taken { rejected, first } => self.taken(rejected, first),
                Verdict::Later(reason) => return Err(self.gone(&reason)),
                Verdict::Refused { reason, too_large } => match halves(part, too_large) {
                    Ok((first, second)) => parts.extend([second, first]),
                    Err(samples) => {
                        self.stats.dropped.add(samples);
                        log(format_args!(
                            "dropped, since the server refuses them: {}: {reason}",
                            counted(samples, "sample")
                        ));
                    }
                },
            }
        }
        Ok(())
    }

    fn taken(&mut self, rejected: u64, first: Option<String>) {
        if let Some(away) = &mut self.away {
            away.backoff = Backoff::default();
        }
        self.has_sent = true;
        self.until_look = self.until_look.saturating_sub(1);
        if rejected == 0 {
            return;
        }
        self.stats.rejected.add(rejected);
        if self.told_rejection.is_none_or(|at| at.elapsed() > TELL_AGAIN) {
            self.told_rejection = Some(Instant::now());
            log(format_args!("the server rejects samples: {}", first.unwrap_or_default()));
        }
    }

    /// Asks for the newest cycle that the server has. A cycle's last line is always the same metric, and the server takes
    /// lines in order: when it has that line it has the cycle. The one before it says whose it is.
    async fn ask_newest(&mut self, database: &str, marker: u64) -> Result<Known, Gone> {
        let Some((until, _)) = self.newest(database, MARKER).await? else {
            return Ok(Known { until: i64::MIN, is_ours: true });
        };
        let host = self.newest(database, HOST).await?;
        let is_ours = host.is_none_or(|(at, number)| at < until || number.parse() == Ok(marker));
        Ok(Known { until, is_ours })
    }

    async fn newest(&mut self, database: &str, metric: &str) -> Result<Option<(i64, String)>, Gone> {
        let path = format!("/api/v1/query?query={database}/{metric}");
        let answer = self.request(Method::GET, &path, Bytes::new()).await?;
        if !answer.status.is_success() {
            return match judge(&answer) {
                Verdict::Later(reason) => Err(self.gone(&reason)),
                // It cannot tell; what it has already, it refuses or keeps twice.
                _ => Ok(None),
            };
        }
        let newest = newest(&answer.body).map_err(|reason| self.gone(&reason))?;
        // Cycles behind that one are sent again, as far as they are still here: it refuses what it has.
        if let Some(damage) = newest.damage.filter(|_| !std::mem::replace(&mut self.told_damage, true)) {
            log(format_args!("the server has lost samples, and gets again what is still here of them: {damage}"));
        }
        Ok(newest.sample)
    }

    /// A request, and its answer. Cycles that come meanwhile are taken in.
    async fn request(&mut self, method: Method, path: &str, body: Bytes) -> Result<Answer, Gone> {
        let is_away = self.away.is_some();
        let inbox = &mut self.inbox;
        let answer = {
            let mut request = pin!(self.client.request(method, path, body));
            let mut end = None;
            loop {
                if inbox.closing && end.is_none() {
                    end = Some(Instant::now() + LAST_WAIT);
                }
                let ended = async {
                    match end {
                        Some(end) => tokio::time::sleep_until(end).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    answer = &mut request => break answer,
                    // What is done with it is not part of what is given up when the answer comes first.
                    cycle = inbox.cycles.recv(), if !inbox.closing => inbox.received(cycle, is_away).await,
                    () = ended => break Err("no answer yet, and drip ends".to_owned()),
                }
            }
        };
        answer.map_err(|reason| self.gone(&reason))
    }

    /// Notes that the server does not answer, and when to try again.
    fn gone(&mut self, reason: &str) -> Gone {
        self.known = None;
        self.stats.failed_sends.add(1);
        let now = Instant::now();
        let server = self.client.server();
        if self.away.is_none() {
            let kept = if self.inbox.has_spool() { "in the spool" } else { "in memory" };
            log(format_args!("{server} does not answer ({reason}); cycles are kept {kept}"));
            systemd::status(&format!("{server} does not answer: {reason}"));
        }
        let away = self.away.get_or_insert_with(|| Away { since: now, backoff: Backoff::default(), retry_at: now });
        away.retry_at = now + away.backoff.wait();
        Gone
    }

    /// Everything is sent.
    fn is_back(&mut self) {
        let server = self.client.server();
        let sent = std::mem::take(&mut self.caught_up);
        let mut rest = match std::mem::take(&mut self.had_already) {
            0 => String::new(),
            n => format!("; {n} left out, because the server has them"),
        };
        if let Some(lost) = self.inbox.lost_meanwhile() {
            rest = format!("{rest}; {lost}");
        }
        match self.away.take() {
            Some(away) => {
                let gone = Duration::from_secs(away.since.elapsed().as_secs());
                log(format_args!("{server} answers again after {gone:?}; sent late: {}{rest}", counted(sent, "cycle")));
            }
            None => log(format_args!("sent {} of an earlier run{rest}", counted(sent, "cycle"))),
        }
        systemd::status(&format!("sending to {server}"));
    }
}

/// Two halves of what was refused as a whole. A single cycle is cut only if it is too large; the error is how many
/// samples it has when it cannot be cut.
fn halves(mut cycles: Vec<CycleText>, too_large: bool) -> Result<(Vec<CycleText>, Vec<CycleText>), u64> {
    if cycles.len() > 1 {
        let second = cycles.split_off(cycles.len() / 2);
        return Ok((cycles, second));
    }
    let Some(CycleText { timestamp_ns, lines, text }) = cycles.pop() else { return Err(0) };
    if lines < 2 || !too_large {
        return Err(lines);
    }
    let keep = lines / 2;
    let at: usize = text.split_inclusive('\n').take(usize::try_from(keep).unwrap_or(1)).map(str::len).sum();
    let (first, second) = text.split_at(at);
    let part = |lines, text: &str| vec![CycleText { timestamp_ns, lines, text: text.to_owned() }];
    Ok((part(keep, first), part(lines - keep, second)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_halved_down_to_what_cannot_be_cut() {
        let cycle =
            |n: i64| CycleText { timestamp_ns: n, lines: 3, text: format!("d/a 1 {n}\nd/b 1 {n}\nd/c 1 {n}\n") };
        let (first, second) = halves(vec![cycle(1), cycle(2), cycle(3)], false).unwrap();
        assert_eq!((first, second), (vec![cycle(1)], vec![cycle(2), cycle(3)]));
        assert_eq!(halves(vec![cycle(1)], false), Err(3));
        let (first, second) = halves(vec![cycle(1)], true).unwrap();
        assert_eq!((first[0].text.as_str(), first[0].lines), ("d/a 1 1\n", 1));
        assert_eq!((second[0].text.as_str(), second[0].lines), ("d/b 1 1\nd/c 1 1\n", 2));
        assert_eq!(halves(first, true), Err(1));
    }
}
