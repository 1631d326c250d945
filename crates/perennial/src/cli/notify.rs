//! `notify`: whom the server tells what happens.

mod edit;

use clap::{ArgGroup, Args, Subcommand, ValueEnum};
use std::path::PathBuf;

use super::OutputArgs;

pub use edit::NotifyEditArgs;

/// `perennial notify`
#[derive(Debug, Subcommand)]
pub enum NotifyCommand {
    /// List the channels, and what became of their last messages
    List(OutputArgs),
    /// Make a channel: mail, a webhook or a ping
    Add(Box<NotifyAddArgs>),
    /// Change a channel: what is given, and nothing else
    Edit(Box<NotifyEditArgs>),
    /// Remove a channel with the messages that are on their way to it
    Remove {
        /// Its name
        name: String,
    },
    /// Send a message over a channel now, and tell what became of it
    Test {
        /// Its name
        name: String,
    },
    /// Show the messages on their way, and those that have arrived or were given up
    Outbox {
        /// Only those that are waiting, delivered or given-up
        #[arg(long, value_name = "STATE")]
        state: Option<MessageState>,
        /// At most so many, the newest
        #[arg(long, value_name = "N", default_value_t = 50)]
        limit: u32,
        /// For whom.
        #[command(flatten)]
        output: OutputArgs,
    },
}

/// Where a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum MessageState {
    /// It is to be delivered.
    Waiting,
    /// It has arrived.
    Delivered,
    /// It did not arrive and is not tried again.
    GivenUp,
}

/// `notify add`
#[derive(Debug, Args)]
#[command(group(ArgGroup::new("carrier").required(true).args(["mail", "webhook", "ping"])))]
#[command(after_help = "\
Passwords, tokens and keys are read from --secret-file, or from stdin with --secret-file -, so that nobody sees them in \
the list of processes. The address of a webhook or a ping may be a key too: - reads it from stdin.

Mail: smtps://HOST is encrypted from the beginning, smtp://HOST by STARTTLS, smtp+plain://HOST not at all.

Examples:
  perennial notify add admins --mail smtp://backup@mail.example.org --secret-file pw --from backup@example.org \\
      --to admin@example.org --report daily --report-hour 7
  perennial notify add chat --webhook - --form slack --tell warnings < address
  perennial notify add phone --webhook https://ntfy.sh/TOPIC --form ntfy --group servers
  perennial notify add alive --ping https://hc-ping.com/UUID --client web")]
pub struct NotifyAddArgs {
    /// Its name
    pub name: String,
    /// Tell by mail, over this server
    #[arg(long, value_name = "URL", value_parser = parse_mail, requires = "from", requires = "to")]
    pub mail: Option<MailServer>,
    /// Post to this address
    #[arg(long, value_name = "URL")]
    pub webhook: Option<String>,
    /// Ping this address when backups begin and end
    #[arg(long, value_name = "URL", conflicts_with_all = ["tell", "except", "report"])]
    pub ping: Option<String>,
    /// The webhook's form: json, slack, discord, ntfy or gotify
    #[arg(long, default_value = "json", requires = "webhook")]
    pub form: String,
    /// The mail's sender
    #[arg(long, value_name = "ADDRESS", requires = "mail")]
    pub from: Option<String>,
    /// Who gets the mail; may be given several times
    #[arg(long, value_name = "ADDRESS", requires = "mail")]
    pub to: Vec<String>,
    /// The name that the server gives to the mail server
    #[arg(long, value_name = "NAME", requires = "mail")]
    pub hello: Option<String>,
    /// A file with the mail server's password, the webhook's token, or the key of its signature; - for stdin
    #[arg(long, value_name = "FILE")]
    pub secret_file: Option<PathBuf>,
    /// A file with a further authority to trust, as PEM
    #[arg(long, value_name = "FILE")]
    pub authority: Option<PathBuf>,
    /// What it wants to know
    #[arg(long, value_name = "LEVEL", default_value = "failures")]
    pub tell: Tell,
    /// An event that it does not want to know all the same; may be given several times
    #[arg(long, value_name = "EVENT")]
    pub except: Vec<String>,
    /// Only of this client; may be given several times. Without, of all and of the server
    #[arg(long, value_name = "NAME")]
    pub client: Vec<String>,
    /// Only of the clients in this group; may be given several times
    #[arg(long, value_name = "NAME")]
    pub group: Vec<String>,
    /// Send reports: daily, weekly, or on a day of the week such as friday
    #[arg(long, value_name = "DAY")]
    pub report: Option<ReportDay>,
    /// At which hour reports are made, in the server's zone
    #[arg(long, value_name = "HOUR", default_value_t = 7, requires = "report")]
    #[arg(value_parser = clap::value_parser!(u32).range(0..24))]
    pub report_hour: u32,
    /// Send only reports that tell of failures
    #[arg(long, requires = "report")]
    pub report_only_failures: bool,
}

/// What a channel wants to know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Tell {
    /// What failed, and when it is right again.
    Failures,
    /// What somebody should look into, too.
    Warnings,
    /// Every backup that is made, too.
    All,
    /// Nothing but reports.
    Nothing,
}

/// On which days there are reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ReportDay {
    /// On each.
    Daily,
    /// On Mondays.
    #[value(alias = "weekly")]
    Monday,
    /// On Tuesdays.
    Tuesday,
    /// On Wednesdays.
    Wednesday,
    /// On Thursdays.
    Thursday,
    /// On Fridays.
    Friday,
    /// On Saturdays.
    Saturday,
    /// On Sundays.
    Sunday,
}

/// A mail server, as it is named.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailServer {
    /// `tls`, `starttls` or `plain`.
    pub security: &'static str,
    /// Its name or address.
    pub host: String,
    /// Its port, if it is not the usual one.
    pub port: Option<u16>,
    /// The user, if it wants a login.
    pub user: Option<String>,
}

fn parse_mail(text: &str) -> Result<MailServer, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or("it does not begin with smtps://, smtp:// or smtp+plain://")?;
    let security = match scheme {
        "smtps" => "tls",
        "smtp" => "starttls",
        "smtp+plain" => "plain",
        _ => return Err("it does not begin with smtps://, smtp:// or smtp+plain://".into()),
    };
    let (user, place) = match rest.trim_end_matches('/').rsplit_once('@') {
        Some((user, place)) => (Some(user), place),
        None => (None, rest.trim_end_matches('/')),
    };
    if user.is_some_and(|user| user.contains(':')) {
        return Err("a password would be seen by others here: give it with --secret-file".into());
    }
    let (host, port) = match place.rsplit_once(':') {
        // The colons of an IPv6 address are within brackets.
        Some((host, port)) if !port.contains(']') => {
            (host, Some(port.parse().map_err(|_| "there is no such port")?))
        }
        _ => (place, None),
    };
    let host = host.trim_start_matches('[').trim_end_matches(']');
    if host.is_empty() || host.contains('/') {
        return Err("it does not name a server".into());
    }
    Ok(MailServer {
        security,
        host: host.to_owned(),
        port,
        user: user.map(str::to_owned),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mail_servers_are_read() {
        let of = |text| {
            let server = parse_mail(text).expect(text);
            (server.security, server.host, server.port, server.user)
        };
        assert_eq!(
            of("smtps://mail.example/"),
            ("tls", "mail.example".into(), None, None)
        );
        assert_eq!(
            of("smtp://me@example.org@mail.example:2525"),
            (
                "starttls",
                "mail.example".into(),
                Some(2525),
                Some("me@example.org".into())
            )
        );
        assert_eq!(
            of("smtp+plain://[::1]:25"),
            ("plain", "::1".into(), Some(25), None)
        );
        assert_eq!(of("smtp+plain://[::1]"), ("plain", "::1".into(), None, None));
    }

    #[test]
    fn what_is_no_mail_server_is_refused_and_a_password_not_taken() {
        for text in [
            "mail.example",
            "http://mail.example",
            "smtp://",
            "smtp://a:99999",
            "smtp://a/b",
        ] {
            assert!(parse_mail(text).is_err(), "{text}");
        }
        let error = parse_mail("smtp://me:hunter2@mail.example").expect_err("is refused");
        assert!(
            error.contains("--secret-file") && !error.contains("hunter2"),
            "{error}"
        );
    }
}
