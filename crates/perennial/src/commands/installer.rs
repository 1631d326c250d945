//! `client installer`: made by the server, for machines that are to become clients.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::json;
use tonic::Streaming;
use wire::token::Token;
use wire::v1::{CreateTokenReply, CreateTokenRequest, FetchInstallerRequest, InstallerPart};

use super::Context;
use super::secret_file::STDIN;
use crate::channel::AdminLink;
use crate::cli::InstallerArgs;
use crate::failure::{Failure, Outcome};
use crate::output::{Shape, format};

pub async fn run(context: &Context, args: InstallerArgs) -> Result<Outcome> {
    let link = AdminLink::open(context).await?;
    let request = CreateTokenRequest {
        address: args.address.clone().unwrap_or_default(),
        client_name: args.name.clone().unwrap_or_default(),
        valid_s: u32::try_from(args.valid.as_secs()).unwrap_or(u32::MAX),
        uses: args.uses,
        sources: args.sources.clone(),
    };
    let made = link.admin().create_token(request).await;
    let made = made.context("can't make a token")?.into_inner();
    let told = match args.one_line {
        true => tell_line(context, &args, &made),
        false => write(context, &link, &args, &made).await,
    };
    link.close().await;
    told.map(|()| Outcome::Done)
}

fn tell_line(context: &Context, args: &InstallerArgs, made: &CreateTokenReply) -> Result<()> {
    let console = context.console();
    if args.shape.shape() == Shape::Json {
        console.json(&json!({
            "one_line": made.one_line,
            "installers": made.installers,
            "expires": format::rfc3339(made.expires_ms, console.zone()),
        }))?;
        return Ok(());
    }
    console.result(&format!("{}\n", made.one_line))?;
    console.note(&format!(
        "Run it on the new client. {}",
        good(context, args, made)
    ));
    Ok(())
}

/// For whom a token is good, and how long.
fn good(context: &Context, args: &InstallerArgs, made: &CreateTokenReply) -> String {
    let times = format::times(args.uses);
    let until = format::time(made.expires_ms, context.console().zone());
    format!("It is good {times}, until {until}.")
}

async fn write(
    context: &Context,
    link: &AdminLink,
    args: &InstallerArgs,
    made: &CreateTokenReply,
) -> Result<()> {
    let token = Token::parse(&made.token)?;
    let asked = FetchInstallerRequest {
        secret: token.secret.to_vec(),
        form: args.form.word().to_owned(),
        architecture: args.architecture.clone().unwrap_or_default(),
        address: token.address,
    };
    let fetched = link.enrolment().fetch_installer(asked).await;
    let mut parts = fetched.context("can't make an installer")?.into_inner();
    let first = parts.message().await.context("can't make an installer")?;
    let InstallerPart {
        file_name,
        size_bytes,
        ..
    } = first.ok_or(Failure::CutShort)?;
    // Here, whatever the server says.
    let name = Path::new(&file_name).file_name().ok_or(Failure::CutShort)?;
    let path = args.output.clone().unwrap_or_else(|| PathBuf::from(name));
    save(&mut parts, &path, size_bytes).await?;
    let console = context.console();
    match args.shape.shape() {
        Shape::Json if path != Path::new(STDIN) => console.json(&json!({
            "file": path.display().to_string(),
            "size_bytes": size_bytes,
            "expires": format::rfc3339(made.expires_ms, console.zone()),
        }))?,
        _ => {
            let how = match args.form.word() {
                "sh" => "as root: sh FILE",
                _ => "like any package",
            };
            console.note(&format!(
                "{} ({}). Install it on the new client, {how}. {}",
                path.display(),
                format::size(size_bytes),
                good(context, args, made)
            ));
        }
    }
    Ok(())
}

/// Writes what comes: to stdout, or into a file that only its owner may read, as it holds a token, and which is there when it is whole.
async fn save(parts: &mut Streaming<InstallerPart>, path: &Path, size_bytes: u64) -> Result<()> {
    let writing = || format!("can't write {}", path.display());
    if path == Path::new(STDIN) {
        let mut out = std::io::stdout().lock();
        return take(parts, &mut out, size_bytes).await?.with_context(writing);
    }
    let dir = path.parent().filter(|dir| !dir.as_os_str().is_empty());
    let mut file = tempfile::NamedTempFile::new_in(dir.unwrap_or(Path::new("."))).with_context(writing)?;
    take(parts, &mut file, size_bytes).await?.with_context(writing)?;
    file.persist(path).with_context(writing)?;
    Ok(())
}

/// What went wrong with the server, and what with where it is written.
async fn take(
    parts: &mut Streaming<InstallerPart>,
    out: &mut impl Write,
    size_bytes: u64,
) -> Result<std::io::Result<()>> {
    let mut written = 0;
    while let Some(part) = parts.message().await.context("can't make an installer")? {
        written += part.data.len() as u64;
        if let Err(error) = out.write_all(&part.data) {
            return Ok(Err(error));
        }
    }
    match written == size_bytes {
        true => Ok(out.flush()),
        false => Err(Failure::CutShort.into()),
    }
}
