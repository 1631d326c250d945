//! Which backups are kept, which are removed, and why.
//!
//! The rules are asked for the backups of one client and one [`Target`](crate::Target). They are applied in this
//! order; what one of the first four keeps, none of the others removes:
//!
//! 1. The newest backup is kept, whatever the rules say.
//! 2. What is held, archived until a time that has not come, or in use is kept.
//! 3. The newest backup that passed a verification is kept, also when there are newer ones that nobody has verified.
//! 4. Minimums: the newest [`Rules::at_least`] are kept, and the newest so many full and so many incremental ones.
//! 5. Those younger than [`Rules::within`], and the newest of each of the last so many hours, days, ISO weeks,
//!    months and years *that have a backup*, are kept. Without any such rule, all are.
//! 6. Maximums: of those that 5 alone keeps and that are too many, the oldest are removed.
//!
//! What is held or archived is set aside: it counts neither for a minimum nor for a maximum, so that an archive that
//! grows does not eat up the backups of every day. It does stand for its day, week, month or year.
//!
//! Any backup can be removed without harm to the others, so a base needs no protection but while it is in use.
//!
//! * [`plan`] judges the backups as they are now, [`forecast`] runs the same rules in the days to come.
//! * [`emergency`] is the order in which backups go when space runs out.
//! * [`trash`] is where removed backups wait for a while, so that a removal can be undone.

mod calendar;
mod candidate;
mod emergency;
mod forecast;
mod plan;
mod rules;
pub mod trash;
mod verdict;

pub use calendar::Period;
pub use candidate::{Candidate, Protection, Use, Verification};
pub use emergency::{Sacrifice, Series, Why, emergency};
pub use forecast::{Departure, Expected, Horizon, Which, forecast};
pub use plan::plan;
pub use rules::{Bounds, Rules};
pub use verdict::{Fate, Reason, Verdict};
