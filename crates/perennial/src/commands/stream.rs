//! `stream unpack`

use std::fs::File;
use std::io::{BufWriter, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use anyhow::{Context as _, Result};
use client::aligned::{AlignedError, unpack};

use crate::cli::{StreamCommand, UnpackArgs};
use crate::failure::Outcome;

pub fn run(command: &StreamCommand) -> Result<Outcome> {
    let StreamCommand::Unpack(args) = command;
    let (file, name) = open(args)?;
    let wrong = || format!("can't unpack {name}");
    match &args.to {
        Some(path) => {
            let to = File::create_new(path).with_context(|| format!("can't create {}", path.display()))?;
            if let Err(error) = write(&file, to) {
                // Half a stream must not be taken for a whole one.
                let _ = std::fs::remove_file(path);
                return Err(error).with_context(wrong);
            }
        }
        None => match write(&file, std::io::stdout().lock()) {
            // Whoever reads has seen enough.
            Err(AlignedError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => {
                return Err(error.into());
            }
            written => written.with_context(wrong)?,
        },
    }
    Ok(Outcome::Done)
}

fn open(args: &UnpackArgs) -> Result<(File, String)> {
    if args.file == Path::new("-") {
        let stdin = std::io::stdin().as_fd().try_clone_to_owned()?;
        return Ok((File::from(stdin), "what stdin is".to_owned()));
    }
    let name = args.file.display().to_string();
    let file = File::open(&args.file).with_context(|| format!("can't open {name}"))?;
    Ok((file, name))
}

fn write(file: &File, to: impl std::io::Write) -> Result<(), AlignedError> {
    let mut out = BufWriter::with_capacity(1 << 20, to);
    unpack(file, &mut out)?;
    out.flush()?;
    Ok(())
}
