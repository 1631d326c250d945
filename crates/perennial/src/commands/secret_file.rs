//! What is secret is read from a file, from stdin or from the terminal, and is never an argument: those can be seen by others.

use std::io::{IsTerminal as _, Read as _};
use std::path::Path;

use anyhow::{Context as _, Result};

use crate::failure::Failure;

/// Standard input, as a file's name.
pub const STDIN: &str = "-";

/// Reads a file, or stdin.
pub fn read(path: &Path) -> Result<String> {
    if path == Path::new(STDIN) {
        let mut text = String::new();
        std::io::stdin()
            .read_to_string(&mut text)
            .context("can't read stdin")?;
        return Ok(text);
    }
    std::fs::read_to_string(path).with_context(|| format!("can't read {}", path.display()))
}

/// The same without the end of the line.
pub fn read_secret(path: &Path) -> Result<String> {
    Ok(read(path)?.trim_end_matches(['\r', '\n']).to_owned())
}

/// A password: from a file, or typed without being shown.
pub fn read_password(file: Option<&Path>, prompt: &str) -> Result<String> {
    if let Some(file) = file {
        return read_secret(file);
    }
    check_terminal("--password-file FILE, or - for stdin")?;
    rpassword::prompt_password(format!("{prompt}: ")).context("can't read the password")
}

/// A new password: from a file, or typed twice.
pub fn read_new_password(file: Option<&Path>, prompt: &str) -> Result<String> {
    let password = read_password(file, prompt)?;
    if file.is_none() && rpassword::prompt_password("The same again: ")? != password {
        return Err(Failure::Usage("the two passwords differ".into()).into());
    }
    Ok(password)
}

/// Something to type that is not secret for long, such as a code.
pub fn ask(prompt: &str, otherwise: &str) -> Result<String> {
    check_terminal(otherwise)?;
    rpassword::prompt_password(format!("{prompt}: ")).context("can't read the answer")
}

/// Whether somebody is there to be asked.
pub fn is_interactive() -> bool {
    std::io::stdin().is_terminal() && std::io::stderr().is_terminal()
}

fn check_terminal(otherwise: &str) -> Result<()> {
    match is_interactive() {
        true => Ok(()),
        false => Err(Failure::Usage(format!("there is no terminal to ask on: give {otherwise}")).into()),
    }
}
