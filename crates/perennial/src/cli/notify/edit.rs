//! `notify edit`

use std::path::PathBuf;

use clap::Args;

use super::{MailServer, ReportDay, Tell, parse_mail};

/// `notify edit`
#[derive(Debug, Args)]
#[command(after_help = "\
What is not given stays as it is, secrets too. What can be given several times replaces all that there was. What carries the \
messages can't be changed: that is another channel.

Examples:
  perennial notify edit admins --to admin@example.org --to night@example.org
  perennial notify edit admins --secret-file new-password
  perennial notify edit chat --tell failures --no-except --report friday")]
pub struct NotifyEditArgs {
    /// Its name
    pub name: String,
    /// Tell by another mail server
    #[arg(long, value_name = "URL", value_parser = parse_mail)]
    pub mail: Option<MailServer>,
    /// Post to another address; - reads it from stdin
    #[arg(long, value_name = "URL", conflicts_with = "mail")]
    pub webhook: Option<String>,
    /// Ping another address; - reads it from stdin
    #[arg(long, value_name = "URL", conflicts_with_all = ["mail", "webhook"])]
    pub ping: Option<String>,
    /// The webhook's form: json, slack, discord, ntfy or gotify
    #[arg(long)]
    pub form: Option<String>,
    /// The mail's sender
    #[arg(long, value_name = "ADDRESS")]
    pub from: Option<String>,
    /// Who gets the mail; may be given several times
    #[arg(long, value_name = "ADDRESS")]
    pub to: Vec<String>,
    /// The name that the server gives to the mail server
    #[arg(long, value_name = "NAME")]
    pub hello: Option<String>,
    /// A file with the new password, token or key; - for stdin
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// Without password, token or key from now on
    #[arg(long, conflicts_with = "secret_file")]
    pub no_secret: bool,
    /// A file with a further authority to trust, as PEM
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// Without a further authority from now on
    #[arg(long, conflicts_with = "authority")]
    pub no_authority: bool,
    /// What it wants to know
    #[arg(long, value_name = "LEVEL")]
    pub tell: Option<Tell>,
    /// An event that it does not want to know all the same; may be given several times
    #[arg(long, value_name = "EVENT")]
    pub except: Vec<String>,
    /// Without exceptions from now on
    #[arg(long, conflicts_with = "except")]
    pub no_except: bool,
    /// Only of this client; may be given several times
    #[arg(long, value_name = "NAME")]
    pub client: Vec<String>,
    /// Only of the clients in this group; may be given several times
    #[arg(long, value_name = "NAME")]
    pub group: Vec<String>,
    /// Of all clients and of the server from now on
    #[arg(long, conflicts_with_all = ["client", "group"])]
    pub everything: bool,
    /// Send reports: daily, weekly, or on a day of the week such as friday
    #[arg(long, value_name = "DAY")]
    pub report: Option<ReportDay>,
    /// At which hour reports are made, in the server's zone
    #[arg(long, value_name = "HOUR", value_parser = clap::value_parser!(u32).range(0..24))]
    pub report_hour: Option<u32>,
    /// Whether only reports are sent that tell of failures
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    pub report_only_failures: Option<bool>,
    /// Without reports from now on
    #[arg(long, conflicts_with_all = ["report", "report_hour", "report_only_failures"])]
    pub no_report: bool,
}
