//! Lets a caller watch the server's log.

use std::sync::Arc;

use policy::access::Right;
use tokio::sync::broadcast::error::RecvError;
use tonic::Status;
use wire::v1::{LogRecord as Message, WatchLogRequest};

use crate::caller::Caller;
use crate::core::Core;
use crate::live_log::{LogRecord, Severity};
use crate::services::reply::Sender;
use crate::services::watch;

/// Which records a caller wants.
struct Wanted {
    least: Severity,
    client: String,
}

impl Wanted {
    fn new(request: &WatchLogRequest) -> Result<Self, Status> {
        let word = match request.level.as_str() {
            "" => Severity::Info.word(),
            word => word,
        };
        let least = Severity::ALL.into_iter().find(|severity| severity.word() == word);
        let least = least.ok_or_else(|| {
            let known = Severity::ALL.map(Severity::word).join(", ");
            Status::invalid_argument(format!("{word:?} is no level of a log: {known}"))
        })?;
        Ok(Self {
            least,
            client: request.client.clone(),
        })
    }

    fn has(&self, record: &LogRecord) -> bool {
        record.severity >= self.least
            && (self.client.is_empty() || record.client.as_ref() == Some(&self.client))
    }
}

/// Sends what was written, and then what is, until the caller goes or the server ends. Who the caller is, and whether he may, is asked anew
/// each time.
pub async fn watch(core: Arc<Core>, mut caller: Caller, request: WatchLogRequest, sender: Sender<Message>) {
    let wanted = match Wanted::new(&request) {
        Ok(wanted) => wanted,
        Err(refusal) => {
            let _ = sender.send(Err(refusal)).await;
            return;
        }
    };
    let (before, mut news) = core.settings.log.watch();
    let before: Vec<_> = before.into_iter().filter(|record| wanted.has(record)).collect();
    let passed_over = before.len().saturating_sub(request.past as usize);
    for record in &before[passed_over..] {
        if sender.send(Ok(message(record))).await.is_err() {
            return;
        }
    }
    if request.only_past {
        return;
    }
    while let Some(received) = watch::next(&core, &mut caller, &mut news, &sender).await {
        if let Err(error) = caller.may(&core, Right::Audit) {
            let _ = sender.send(Err(error.into())).await;
            return;
        }
        let record = match received {
            Ok(record) if wanted.has(&record) => message(&record),
            Ok(_) => continue,
            Err(RecvError::Lagged(missed)) => Message {
                at_ms: core.clock.now_ms(),
                level: Severity::Warning.word().to_owned(),
                text: format!("{missed} lines were passed over, as they came faster than they were taken"),
                ..Message::default()
            },
            Err(RecvError::Closed) => return,
        };
        if sender.send(Ok(record)).await.is_err() {
            return;
        }
    }
}

fn message(record: &LogRecord) -> Message {
    Message {
        at_ms: record.at_ms,
        level: record.severity.word().to_owned(),
        text: record.text.clone(),
        client: record.client.clone().unwrap_or_default(),
        part: record.part.to_owned(),
    }
}
