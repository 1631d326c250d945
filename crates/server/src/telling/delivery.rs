//! The thread that delivers what is in the outbox, and what becomes of a message that can't be.
//!
//! Blocking, several channels at a time: one that does not answer holds up the others for no longer than its timeout.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use catalog::{DeliveryEnd, OutboxMessage};
use notify::retry::{Retry, decide};
use notify::{Event, Message, Moment, Refusal, Severity, Signal};
use tracing::{debug, error, warn};

use super::carrier::Opened;
use super::teller::{ChannelEntry, Content, Sign, Teller, Woken};
use crate::error::{Error, Result};

/// Messages that are delivered at once.
const AT_ONCE: u32 = 8;
/// How long nobody looks, whatever the clock says: it may be set.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// How long the end of the server waits for what is under way. What has not been delivered then may arrive twice.
const PATIENCE: Duration = Duration::from_secs(5);
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// The thread that delivers.
pub struct Deliverer {
    teller: Arc<Teller>,
    thread: JoinHandle<()>,
}

impl Deliverer {
    /// Starts it.
    pub fn start(teller: Arc<Teller>) -> std::io::Result<Self> {
        let working = teller.clone();
        let work = move || run(&working);
        let thread = std::thread::Builder::new().name("delivery".into()).spawn(work)?;
        Ok(Self { teller, thread })
    }

    /// Ends it, blocking for a few seconds at most.
    pub fn end(self) {
        self.teller.end();
        let begun = std::time::Instant::now();
        while !self.thread.is_finished() {
            if begun.elapsed() > PATIENCE {
                warn!("a delivery did not end in time; its message may arrive twice");
                return;
            }
            std::thread::sleep(LOOK_AGAIN);
        }
        // A thread that panicked has told so itself.
        let _ = self.thread.join();
    }
}

fn run(teller: &Teller) {
    loop {
        let wait = match deliver_due(teller) {
            Ok(wait) => wait,
            Err(failed) => {
                error!(error = failed.chain(), "the outbox could not be looked at");
                LOOK_EVERY
            }
        };
        if teller.wait(wait) == Woken::End {
            return;
        }
    }
}

/// Delivers what is due. Returns how long there is nothing more to do.
fn deliver_due(teller: &Teller) -> Result<Duration> {
    while !teller.is_over() {
        let due = teller.catalog.due_messages(teller.clock.now_ms(), AT_ONCE)?;
        if due.is_empty() {
            break;
        }
        let delivered: Vec<Result<()>> = std::thread::scope(|scope| {
            let threads: Vec<_> = due
                .iter()
                .map(|message| scope.spawn(|| deliver(teller, message)))
                .collect();
            let ended = threads.into_iter().map(|thread| thread.join());
            ended
                .map(|ended| ended.unwrap_or(Err(Error::Cancelled)))
                .collect()
        });
        delivered.into_iter().collect::<Result<()>>()?;
    }
    let next_ms = teller.catalog.next_delivery_ms()?;
    let wait_ms = next_ms.map(|next_ms| next_ms.saturating_sub(teller.clock.now_ms()).max(0));
    let wait = wait_ms.map_or(LOOK_EVERY, |wait_ms| {
        Duration::from_millis(wait_ms.unsigned_abs())
    });
    Ok(wait.min(LOOK_EVERY))
}

/// Tries to deliver a message and records what became of it.
fn deliver(teller: &Teller, message: &OutboxMessage) -> Result<()> {
    let channels = teller.channels();
    let end = match channels.iter().find(|channel| channel.id == message.channel) {
        Some(channel) => attempt(teller, channel, message),
        None => DeliveryEnd::GivenUp {
            error: "this version of Perennial can't use the channel".to_owned(),
        },
    };
    let channel = message.channel_name.as_str();
    match &end {
        DeliveryEnd::Delivered { remark: None } => debug!(channel, "a message was delivered"),
        DeliveryEnd::Delivered { remark: Some(remark) } => {
            warn!(channel, remark, "a message did not reach everybody")
        }
        DeliveryEnd::Retry { error, .. } => warn!(channel, error, "a message is tried again later"),
        DeliveryEnd::GivenUp { error } => error!(channel, error, "a message could not be delivered"),
    }
    teller
        .catalog
        .end_delivery(message.id, &end, teller.clock.now_ms())?;
    Ok(())
}

fn attempt(teller: &Teller, channel: &ChannelEntry, message: &OutboxMessage) -> DeliveryEnd {
    let Ok(content) = serde_json::from_str(&message.content) else {
        return DeliveryEnd::GivenUp {
            error: "this version of Perennial can't read the message".to_owned(),
        };
    };
    let recipients = message
        .recipients
        .as_deref()
        .map(serde_json::from_str::<Vec<String>>);
    let failures = message.failures.saturating_add(1);
    match send(
        &channel.opened,
        &content,
        recipients.and_then(std::result::Result::ok).as_deref(),
    ) {
        Ok(refused) => after_refusals(&refused, failures, teller.clock.now_ms()),
        Err(failed) => after_failure(&failed, failures, teller.clock.now_ms(), None),
    }
}

/// Sends something. Returns who was refused.
fn send(
    opened: &Opened,
    content: &Content,
    recipients: Option<&[String]>,
) -> Result<Vec<Refusal>, notify::Error> {
    match (opened, content) {
        (Opened::Mail(mail), Content::Message(message)) => match recipients {
            Some(recipients) => mail.send_to(message, recipients),
            None => mail.send(message),
        }
        .map(|delivery| delivery.refused),
        (Opened::Webhook(webhook), Content::Message(message)) => webhook.send(message).map(|()| Vec::new()),
        (Opened::Ping(ping), Content::Ping { signal, log }) => {
            let signal = match signal {
                Sign::Start => Signal::Start,
                Sign::Success => Signal::Success,
                Sign::Failure => Signal::Failure,
            };
            ping.send(signal, log).map(|()| Vec::new())
        }
        (Opened::Ping(ping), Content::Message(message)) => {
            ping.send(Signal::Log, &message.title).map(|()| Vec::new())
        }
        // Nothing of the kind is ever queued.
        (Opened::Mail(_) | Opened::Webhook(_), Content::Ping { .. }) => Ok(Vec::new()),
    }
}

fn after_failure(
    failed: &notify::Error,
    failures: u32,
    now_ms: i64,
    recipients: Option<String>,
) -> DeliveryEnd {
    let error = chain(failed);
    match decide(failures, failed) {
        Retry::After { wait_ms } => DeliveryEnd::Retry {
            next_try_ms: now_ms.saturating_add_unsigned(wait_ms),
            error,
            recipients,
        },
        Retry::Hopeless => DeliveryEnd::GivenUp { error },
        Retry::Exhausted => DeliveryEnd::GivenUp {
            error: format!("given up after {failures} tries: {error}"),
        },
    }
}

/// What becomes of a mail that some recipients were refused: those that were for now get it later.
fn after_refusals(refused: &[Refusal], failures: u32, now_ms: i64) -> DeliveryEnd {
    let told: Vec<String> = refused
        .iter()
        .map(|refusal| format!("{}: {}", refusal.recipient, chain(&refusal.error)))
        .collect();
    let for_now: Vec<&Refusal> = refused
        .iter()
        .filter(|refusal| refusal.error.is_temporary())
        .collect();
    let remark = (!told.is_empty()).then(|| told.join("; "));
    let Some(first) = for_now.first() else {
        return DeliveryEnd::Delivered { remark };
    };
    let recipients: Vec<&str> = for_now.iter().map(|refusal| refusal.recipient.as_str()).collect();
    let recipients = serde_json::to_string(&recipients).expect("addresses are plain data");
    match after_failure(&first.error, failures, now_ms, Some(recipients)) {
        DeliveryEnd::GivenUp { .. } => DeliveryEnd::Delivered { remark },
        end => end,
    }
}

/// Sends a message to a channel at once, for somebody who wants to see whether it arrives. Returns what was refused, in words.
pub fn test_message(teller: &Teller, channel: &ChannelEntry) -> Result<Vec<String>> {
    let message = Message {
        event: Event::TEST,
        severity: Severity::Info,
        title: "Perennial can reach you".to_owned(),
        text: format!("This is a test of the channel {}.", channel.name),
        facts: Vec::new(),
        client: None,
        link: None,
        at: Moment::new(teller.clock.now_ms(), &teller.clock.zone()),
    };
    let refused = send(&channel.opened, &Content::Message(Box::new(message)), None)?;
    let in_words = |refusal: &Refusal| format!("{}: {}", refusal.recipient, chain(&refusal.error));
    Ok(refused.iter().map(in_words).collect())
}

/// An error with its causes, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests {
    use notify::Step;

    use super::*;

    fn refusal(recipient: &str, code: u16) -> Refusal {
        Refusal {
            recipient: recipient.into(),
            error: notify::Error::Smtp {
                server: "mail.example:587".into(),
                step: Step::Recipient,
                code,
                reply: "no".into(),
            },
        }
    }

    #[test]
    fn who_was_refused_for_now_gets_it_later_and_alone() {
        let refused = [refusal("a@example.org", 550), refusal("b@example.org", 451)];
        let DeliveryEnd::Retry {
            next_try_ms,
            recipients,
            ..
        } = after_refusals(&refused, 1, 0)
        else {
            panic!("not tried again");
        };
        assert_eq!(next_try_ms, 60_000);
        assert_eq!(recipients.as_deref(), Some(r#"["b@example.org"]"#));
    }

    #[test]
    fn who_was_refused_for_good_is_remarked() {
        let DeliveryEnd::Delivered { remark } = after_refusals(&[refusal("a@example.org", 550)], 1, 0) else {
            panic!("not delivered to the others");
        };
        assert!(remark.expect("is remarked").contains("a@example.org"));
        assert_eq!(after_refusals(&[], 1, 0), DeliveryEnd::Delivered { remark: None });
        let exhausted = after_refusals(&[refusal("a@example.org", 451)], 25, 0);
        assert!(matches!(exhausted, DeliveryEnd::Delivered { remark: Some(_) }));
    }

    #[test]
    fn what_will_not_pass_is_given_up_and_the_rest_tried_again() {
        let refused = refusal("a@example.org", 535).error;
        assert!(matches!(
            after_failure(&refused, 1, 0, None),
            DeliveryEnd::GivenUp { .. }
        ));
        let silent = notify::Error::TimedOut {
            server: "mail.example:587".into(),
        };
        assert!(matches!(
            after_failure(&silent, 3, 100, None),
            DeliveryEnd::Retry {
                next_try_ms: 240_100,
                ..
            }
        ));
        let DeliveryEnd::GivenUp { error } = after_failure(&silent, 25, 0, None) else {
            panic!("tried for ever");
        };
        assert!(error.starts_with("given up after 25 tries"), "{error}");
    }
}
