//! The conversation with a mail server (RFC 5321), step by step: connect, encrypt, log in, sender, recipients, mail.
//!
//! Each recipient is asked for by itself, so that one that is refused does not keep the mail from the others.

use std::error::Error as StdError;
use std::io;

use lettre::Address;
use lettre::transport::smtp;
use lettre::transport::smtp::authentication::Mechanism;
use lettre::transport::smtp::client::SmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};

use super::{Encryption, Refusal, Server};
use crate::error::{Error, Offer, Result, Step};

const MECHANISMS: &[Mechanism] = &[Mechanism::Plain, Mechanism::Login];
/// The server is about to hang up (RFC 5321, section 3.8).
const CLOSING: u16 = 421;

/// Delivers a mail and returns the recipients that were refused, unless that is all of them.
pub(super) fn deliver(
    server: &Server,
    from: &Address,
    to: &[&Address],
    letter: &[u8],
) -> Result<Vec<Refusal>> {
    let mut connection = open(server)?;
    let outcome = hand_over(server, &mut connection, from, to, letter);
    say_goodbye(&mut connection, &outcome);
    outcome
}

fn open(server: &Server) -> Result<SmtpConnection> {
    let fail = |step| move |error| sort(server, step, &error);
    let tls = match &server.encryption {
        Encryption::Tls(tls) => Some(tls),
        Encryption::StartTls(_) | Encryption::None => None,
    };
    let address = (server.host.as_str(), server.port);
    let mut connection = SmtpConnection::connect(address, Some(server.timeout), &server.hello, tls, None)
        .map_err(fail(Step::Greeting))?;
    let outcome = prepare(server, &mut connection);
    if outcome.is_err() {
        say_goodbye(&mut connection, &outcome);
    }
    outcome.map(|()| connection)
}

/// Says QUIT, if the connection is still good for it: to a server that is silent it would be another wait, and what it answers
/// changes nothing.
fn say_goodbye<T>(connection: &mut SmtpConnection, outcome: &Result<T>) {
    if matches!(
        outcome,
        Ok(_) | Err(Error::Smtp { .. } | Error::NotOffered { .. })
    ) {
        connection.abort();
    }
}

fn prepare(server: &Server, connection: &mut SmtpConnection) -> Result<()> {
    let lacks = |offer| Error::NotOffered {
        server: server.name(),
        offer,
    };
    if let Encryption::StartTls(tls) = &server.encryption {
        if !connection.can_starttls() {
            return Err(lacks(Offer::StartTls));
        }
        connection
            .starttls(tls, &server.hello)
            .map_err(|error| sort(server, Step::StartTls, &error))?;
    }
    if let Some(credentials) = &server.login {
        if connection.server_info().get_auth_mechanism(MECHANISMS).is_none() {
            return Err(lacks(Offer::Login));
        }
        connection
            .auth(MECHANISMS, credentials)
            .map_err(|error| sort(server, Step::Login, &error))?;
    }
    Ok(())
}

fn hand_over(
    server: &Server,
    connection: &mut SmtpConnection,
    from: &Address,
    to: &[&Address],
    letter: &[u8],
) -> Result<Vec<Refusal>> {
    let fail = |step| move |error| sort(server, step, &error);
    connection
        .command(Mail::new(Some(from.clone()), Vec::new()))
        .map_err(fail(Step::Sender))?;
    let mut refused = Vec::new();
    for recipient in to {
        let Err(error) = connection.command(Rcpt::new((*recipient).clone(), Vec::new())) else {
            continue;
        };
        match sort(server, Step::Recipient, &error) {
            error @ Error::Smtp { code, .. } if code != CLOSING => refused.push(Refusal {
                recipient: recipient.to_string(),
                error,
            }),
            error => return Err(error),
        }
    }
    if refused.len() == to.len() {
        return Err(worth_another_try(refused));
    }
    connection.command(Data).map_err(fail(Step::Content))?;
    connection.message(letter).map_err(fail(Step::Content))?;
    Ok(refused)
}

/// Chooses the refusal that stands for all: one that is for now, if there is one.
fn worth_another_try(mut refused: Vec<Refusal>) -> Error {
    let chosen = refused
        .iter()
        .position(|refusal| refusal.error.is_temporary())
        .unwrap_or(0);
    refused.swap_remove(chosen).error
}

/// Sorts what went wrong by what it means.
fn sort(server: &Server, step: Step, error: &smtp::Error) -> Error {
    let name = server.name();
    if let Some(code) = error.status() {
        let reply = error.source().map(ToString::to_string).unwrap_or_default();
        return Error::Smtp {
            server: name,
            step,
            code: code.to_string().parse().expect("a code has three digits"),
            reply: server.redaction.line(&reply),
        };
    }
    let mut cause = error.source();
    while let Some(current) = cause {
        if let Some(source) = current.downcast_ref::<rustls::Error>() {
            let source = source.clone();
            return Error::Tls { server: name, source };
        }
        if let Some(error) = current.downcast_ref::<io::Error>() {
            return Error::from_io(&name, owned(error));
        }
        cause = current.source();
    }
    Error::Protocol {
        server: name,
        reason: server.redaction.line(&error.to_string()),
    }
}

/// Copies an I/O error, with what it wraps if that is an error of TLS.
fn owned(error: &io::Error) -> io::Error {
    let inner = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>());
    match (error.raw_os_error(), inner) {
        (Some(code), _) => io::Error::from_raw_os_error(code),
        (None, Some(inner)) => io::Error::new(error.kind(), inner.clone()),
        (None, None) => io::Error::new(error.kind(), error.to_string()),
    }
}
