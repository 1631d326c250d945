//! Which backups stay: the rules by example, then for any set of backups.

mod calendar;
mod emergency;
mod forecast;
mod generate;
mod model;
mod plan;
mod protection;
mod trash;
