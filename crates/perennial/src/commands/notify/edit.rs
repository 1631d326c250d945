//! `notify edit`

use anyhow::{Context as _, Result};
use wire::v1::{ChannelEdit, MailServer as WireMailServer, Words};

use super::{address, check_stdin, read, read_secret, tell, word};
use crate::channel::AdminLink;
use crate::cli::NotifyEditArgs;
use crate::commands::Context;
use crate::failure::Outcome;

pub async fn run(context: &Context, link: &AdminLink, args: NotifyEditArgs) -> Result<Outcome> {
    let name = args.name.clone();
    let edited = link.notify().edit_channel(edit(args)?).await;
    let changed = edited
        .with_context(|| format!("can't change the channel {name}"))?
        .into_inner()
        .changed;
    context
        .console()
        .note(&format!("Changed: {}.", changed.join(", ")));
    Ok(Outcome::Done)
}

/// The change that the arguments describe.
fn edit(args: NotifyEditArgs) -> Result<ChannelEdit> {
    check_stdin(args.secret_file.as_deref(), [&args.webhook, &args.ping])?;
    let url = args.webhook.or(args.ping).map(address).transpose()?;
    let secret = args.secret_file.as_deref().map(read_secret).transpose()?;
    let authority_pem = args.authority.as_deref().map(read).transpose()?;
    Ok(ChannelEdit {
        name: args.name,
        mail_server: args.mail.map(|server| WireMailServer {
            host: server.host,
            port: server.port.map(u32::from),
            security: server.security.to_owned(),
            user: server.user,
        }),
        url,
        form: args.form,
        from: args.from,
        recipients: given(args.to),
        hello: args.hello,
        secret: secret.or_else(|| taken_back(args.no_secret)),
        authority_pem: authority_pem.or_else(|| taken_back(args.no_authority)),
        tell: args.tell.map(|given| tell(given).into()),
        except: given(args.except).or_else(|| none_left(args.no_except)),
        clients: given(args.client).or_else(|| none_left(args.everything)),
        groups: given(args.group).or_else(|| none_left(args.everything)),
        report_on: args.report.map(word).or_else(|| taken_back(args.no_report)),
        report_hour: args.report_hour,
        report_only_failures: args.report_only_failures,
    })
}

fn given(words: Vec<String>) -> Option<Words> {
    (!words.is_empty()).then_some(Words { words })
}

fn none_left(is_asked: bool) -> Option<Words> {
    is_asked.then(Words::default)
}

fn taken_back(is_asked: bool) -> Option<String> {
    is_asked.then(String::new)
}
