//! Mail, to a server that is encrypted or not, that wants a login or not, that takes it or not.

use std::net::TcpListener;
use std::time::Duration;

use notify::{Error, Login, Mail, MailSettings, Offer, Roots, Secret, Security, Step};
use serde_json::{Value, json};

use crate::authority::{Authority, Identity};
use crate::message;
use crate::smtp_server::{SmtpServer, scripted};

const USER: &str = "backup";
const PASSWORD: &str = "correct horse";

fn settings(port: u16, security: Security) -> MailSettings {
    MailSettings {
        host: "localhost".into(),
        port: Some(port),
        security,
        login: None,
        from: "Backups <backup@example.org>".into(),
        recipients: vec!["admin@example.org".into(), "Jörg <joerg@example.org>".into()],
        hello: Some("server.example.org".into()),
        authority_pem: None,
    }
}

fn login(password: &str) -> Option<Login> {
    Some(Login {
        user: USER.into(),
        password: Secret::new(password),
    })
}

fn mail(settings: &MailSettings) -> Mail {
    Mail::new(settings, &Roots::none()).expect("makes sense")
}

/// A server with a certificate and a login.
fn encrypted(security: &str, identity: &Identity) -> Option<(SmtpServer, tempfile::TempDir)> {
    let directory = tempfile::tempdir().expect("a directory");
    let (certificate, key) = (
        directory.path().join("certificate.pem"),
        directory.path().join("key.pem"),
    );
    std::fs::write(&certificate, &identity.certificate).expect("written");
    std::fs::write(&key, &identity.key).expect("written");
    let server = SmtpServer::start(&json!({
        "security": security, "certificate": certificate, "key": key, "user": USER, "password": PASSWORD,
    }))?;
    Some((server, directory))
}

fn plain(mut options: Value) -> Option<SmtpServer> {
    options["security"] = "plain".into();
    SmtpServer::start(&options)
}

#[test]
fn mail_arrives_as_it_was_written_over_every_kind_of_connection() {
    let authority = Authority::new();
    for (name, security) in [("tls", Security::Tls), ("starttls", Security::StartTls)] {
        let Some((server, _directory)) = encrypted(name, &authority.certify("localhost")) else {
            return;
        };
        let mut settings = settings(server.port, security);
        settings.authority_pem = Some(authority.pem.clone());
        settings.login = login(PASSWORD);
        let delivery = mail(&settings).send(&message()).expect("delivered");
        assert!(delivery.refused.is_empty(), "{delivery:?}");
        let told = server.finish();
        assert_eq!(told[0], json!({"event": "login", "user": USER, "success": true}));
        assert_eq!(told[1]["sender"], "backup@example.org");
        assert_eq!(
            told[1]["recipients"],
            json!(["admin@example.org", "joerg@example.org"])
        );
        assert_eq!(told[1]["hello"], "server.example.org");
        assert_eq!(told[1]["encrypted"], true, "{name}");
        let content = told[1]["content"].as_str().expect("text");
        assert!(
            content.contains("Subject: [Perennial] laptop has had no backup for 3 days\r\n"),
            "{content}"
        );
        assert!(
            content.contains("Auto-Submitted: auto-generated\r\n"),
            "{content}"
        );
        assert!(
            content.contains("on Tuesday.\r\n.\r\nIt has"),
            "a lone dot does not end the mail: {content}"
        );
    }
}

#[test]
fn a_relay_without_encryption_gets_mail_without_a_login() {
    let Some(server) = plain(json!({})) else { return };
    let _ = mail(&settings(server.port, Security::Plain))
        .send(&message())
        .expect("delivered");
    let told = server.finish();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["encrypted"], false);
}

#[test]
fn a_certificate_that_is_not_to_be_trusted_gets_nothing() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    for (name, security) in [("tls", Security::Tls), ("starttls", Security::StartTls)] {
        for (trusted, certified) in [(&theirs, "localhost"), (&ours, "mail.example.org")] {
            let Some((server, _directory)) = encrypted(name, &ours.certify(certified)) else {
                return;
            };
            let mut settings = settings(server.port, security);
            settings.authority_pem = Some(trusted.pem.clone());
            settings.login = login(PASSWORD);
            let error = mail(&settings).send(&message()).expect_err("not trusted");
            assert!(
                matches!(error, Error::Tls { .. }),
                "{name} {certified}: {error:?}"
            );
            assert_eq!(server.finish(), [] as [Value; 0]);
        }
    }
}

#[test]
fn without_starttls_nothing_is_sent() {
    let Some(server) = plain(json!({"user": USER, "password": PASSWORD})) else {
        return;
    };
    let mut settings = settings(server.port, Security::StartTls);
    settings.login = login(PASSWORD);
    let error = mail(&settings).send(&message()).expect_err("no STARTTLS");
    assert!(
        matches!(
            error,
            Error::NotOffered {
                offer: Offer::StartTls,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.is_temporary());
    assert_eq!(server.finish(), [] as [Value; 0]);
}

#[test]
fn a_wrong_password_is_an_error_for_good_that_does_not_hold_it() {
    let Some(server) = plain(json!({"user": USER, "password": PASSWORD})) else {
        return;
    };
    let mut settings = settings(server.port, Security::Plain);
    settings.login = login("wrong horse");
    let error = mail(&settings).send(&message()).expect_err("wrong");
    assert!(
        matches!(
            error,
            Error::Smtp {
                step: Step::Login,
                code: 535,
                ..
            }
        ),
        "{error:?}"
    );
    assert!(!error.is_temporary());
    assert!(!format!("{error} {error:?}").contains("horse"), "{error:?}");
    assert_eq!(
        server.finish(),
        [json!({"event": "login", "user": USER, "success": false})]
    );
}

#[test]
fn a_server_without_logins_is_told_from_a_wrong_password() {
    let Some(server) = plain(json!({})) else { return };
    let mut settings = settings(server.port, Security::Plain);
    settings.login = login(PASSWORD);
    let error = mail(&settings).send(&message()).expect_err("no AUTH");
    assert!(
        matches!(
            error,
            Error::NotOffered {
                offer: Offer::Login,
                ..
            }
        ),
        "{error:?}"
    );
}

#[test]
fn a_recipient_who_is_refused_keeps_it_from_nobody_else() {
    let Some(server) = plain(json!({"refused": {"admin@example.org": "452 mailbox full"}})) else {
        return;
    };
    let mail = mail(&settings(server.port, Security::Plain));
    let delivery = mail.send(&message()).expect("delivered");
    let [refusal] = delivery.refused.as_slice() else {
        panic!("{delivery:?}");
    };
    assert_eq!(refusal.recipient, "admin@example.org");
    assert!(refusal.error.is_temporary());
    let again = mail
        .send_to(&message(), std::slice::from_ref(&refusal.recipient))
        .expect_err("still full");
    assert!(
        matches!(
            again,
            Error::Smtp {
                step: Step::Recipient,
                code: 452,
                ..
            }
        ),
        "{again:?}"
    );
    let told = server.finish();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["recipients"], json!(["joerg@example.org"]));
}

#[test]
fn if_all_are_refused_one_for_now_makes_it_worth_another_try() {
    for (replies, is_temporary) in [
        (["550 unknown", "550 unknown"], false),
        (["550 unknown", "451 later"], true),
    ] {
        let refused = json!({"admin@example.org": replies[0], "joerg@example.org": replies[1]});
        let Some(server) = plain(json!({"refused": refused})) else {
            return;
        };
        let error = mail(&settings(server.port, Security::Plain))
            .send(&message())
            .expect_err("refused");
        assert!(
            matches!(
                error,
                Error::Smtp {
                    step: Step::Recipient,
                    ..
                }
            ),
            "{error:?}"
        );
        assert_eq!(error.is_temporary(), is_temporary);
        assert_eq!(server.finish(), [] as [Value; 0]);
    }
}

#[test]
fn a_mail_that_is_refused_as_a_whole_is_an_error() {
    for (reply, wanted) in [("451 greylisted", 451), ("554 spam", 554)] {
        let Some(server) = plain(json!({"reply": reply})) else {
            return;
        };
        let error = mail(&settings(server.port, Security::Plain))
            .send(&message())
            .expect_err("refused");
        assert!(
            matches!(error, Error::Smtp { step: Step::Content, code, .. } if code == wanted),
            "{error:?}"
        );
        assert_eq!(error.is_temporary(), wanted == 451);
    }
}

#[test]
fn a_reply_that_repeats_the_password_is_not_shown() {
    let (port, heard) = scripted(&[
        "220 mail.test\r\n",
        "250-mail.test\r\n250 AUTH PLAIN\r\n",
        "535 no: AGJhY2t1cABjb3JyZWN0IGhvcnNl is backup, correct horse\r\n",
    ]);
    let mut settings = settings(port, Security::Plain);
    settings.login = login(PASSWORD);
    let error = mail(&settings).send(&message()).expect_err("refused");
    let Error::Smtp { reply, .. } = &error else {
        panic!("{error:?}");
    };
    assert_eq!(reply, "no: [hidden] is backup, [hidden]");
    let heard = heard.join().expect("a conversation");
    assert_eq!(heard[1], "AUTH PLAIN AGJhY2t1cABjb3JyZWN0IGhvcnNl");
}

#[test]
fn a_server_that_hangs_up_is_tried_again() {
    let scripts: [&[&str]; 4] = [
        &["421 too busy\r\n"],
        &["220 mail.test\r\n", "250 mail.test\r\n", "421 too busy\r\n"],
        &[
            "220 mail.test\r\n",
            "250 mail.test\r\n",
            "250 ok\r\n",
            "421 too busy\r\n",
        ],
        &["220 mail.test\r\n", "250 mail.test\r\n", "250 ok\r\n"],
    ];
    for script in scripts {
        let (port, heard) = scripted(script);
        let error = mail(&settings(port, Security::Plain))
            .send(&message())
            .expect_err("hung up");
        assert!(error.is_temporary(), "{error:?}");
        heard.join().expect("a conversation");
    }
}

#[test]
fn what_is_no_mail_server_may_pass() {
    for script in [&["HTTP/1.1 400 Bad Request\r\n"] as &[&str], &["\r\n"], &["220"]] {
        let (port, heard) = scripted(script);
        let settings = settings(port, Security::Plain);
        let error = mail(&settings)
            .with_timeout(Duration::from_millis(200))
            .send(&message())
            .expect_err("no SMTP");
        assert!(error.is_temporary(), "{error:?}");
        heard.join().expect("a conversation");
    }
}

#[test]
fn a_server_that_is_away_or_silent_may_come_back() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let mut settings = settings(listener.local_addr().expect("an address").port(), Security::Plain);
    settings.host = "127.0.0.1".into();
    let mail = mail(&settings).with_timeout(Duration::from_millis(200));
    let silent = mail.send(&message()).expect_err("no answer");
    assert!(
        matches!(silent, Error::TimedOut { .. }) && silent.is_temporary(),
        "{silent:?}"
    );
    drop(listener);
    let away = mail.send(&message()).expect_err("nobody");
    assert!(
        matches!(away, Error::Unreachable { .. }) && away.is_temporary(),
        "{away:?}"
    );
}
