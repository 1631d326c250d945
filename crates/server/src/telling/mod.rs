//! Tells people and programs what happens: mail, webhooks, pings, reports.
//!
//! ```text
//! how clients and storage stand ─ policy::alert ─┐
//! a job begins or ends ──────────────────────────┼─▶ outbox, in the catalog ─▶ a thread delivers ─▶ delivered, or given up
//! a report is due ─ policy::report ──────────────┘      ▲                             │
//!                                                       └─────── it failed ───────────┘
//! ```
//! What was told is remembered in the transaction that queues the messages, so that nothing is told twice or never, whenever the
//! server ends. What can be seen in the catalog is looked at anew each time, rather than heard of when it happens: a server that
//! starts again finds what it would have told.

mod audience;
mod carrier;
mod delivery;
mod jobs;
mod look;
mod report;
mod secret_text;
pub mod stands;
mod teller;
mod watch;
mod words;

pub use audience::{Audience, ReportDay, ReportOrder, ReportWhen, Tell, is_event};
pub use carrier::{Carrier, MailCarrier, PingCarrier, WebhookCarrier};
pub use delivery::{Deliverer, test_message};
pub use look::look;
pub use teller::{ChannelEntry, ChannelSettings, Content, Teller};
pub use watch::{Subject, Watched, troubles};
pub use words::counted;
