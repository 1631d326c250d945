//! Finds out which backup is meant where no client was named.

use anyhow::{Context as _, Result};
use wire::v1::{self, ListRequest};

use crate::channel::Link;
use crate::cli::BackupRef;
use crate::failure::Failure;

/// The kind of image backups.
pub const IMAGE: &str = "image";

/// The reference as the server takes it. A client's own name may be left out; for the administrator, it is found among
/// all backups, as long as only one can be meant.
pub async fn resolve(link: &Link, reference: &BackupRef) -> Result<v1::BackupRef> {
    resolve_wire(link, reference.to_wire()).await
}

/// The same where only images are meant, so that the latest is the latest of these.
pub async fn resolve_image(link: &Link, reference: &BackupRef) -> Result<v1::BackupRef> {
    let mut wanted = reference.to_wire();
    if wanted.name == "latest" {
        wanted.name = "latest_image".into();
    }
    resolve_wire(link, wanted).await
}

async fn resolve_wire(link: &Link, mut wanted: v1::BackupRef) -> Result<v1::BackupRef> {
    if !wanted.client.is_empty() || link.client().is_some() {
        return Ok(wanted);
    }
    let reply = link
        .backups()
        .list(ListRequest::default())
        .await
        .context("can't list the backups")?;
    let backups = reply.into_inner().backups;
    wanted.client = only_client(&backups, &wanted.name)?;
    Ok(wanted)
}

fn only_client(backups: &[v1::BackupInfo], name: &str) -> Result<String, Failure> {
    let mut clients: Vec<&str> = backups
        .iter()
        .filter(|backup| match name {
            "latest" => backup.kind != IMAGE,
            "latest_image" => backup.kind == IMAGE,
            name => backup.name == name,
        })
        .map(|backup| backup.client.as_str())
        .collect();
    clients.sort_unstable();
    clients.dedup();
    match clients.as_slice() {
        [client] => Ok((*client).to_owned()),
        [] => Err(Failure::NoSuchBackup {
            name: name.to_owned(),
        }),
        several => {
            let choices: Vec<_> = several.iter().map(|client| format!("{client}/{name}")).collect();
            Err(Failure::Usage(format!(
                "\"{name}\" may mean {}: say which",
                choices.join(" or ")
            )))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backup(client: &str, name: &str) -> v1::BackupInfo {
        v1::BackupInfo {
            client: client.into(),
            name: name.into(),
            ..Default::default()
        }
    }

    #[test]
    fn the_client_is_found_where_only_one_can_be_meant() {
        let backups = [backup("a", "1"), backup("a", "2"), backup("b", "2")];
        assert_eq!(only_client(&backups, "1").unwrap(), "a");
        assert_eq!(only_client(&backups[..2], "latest").unwrap(), "a");
        let error = only_client(&backups, "2").unwrap_err();
        assert_eq!(error.to_string(), "\"2\" may mean a/2 or b/2: say which");
        assert!(matches!(
            only_client(&backups, "3"),
            Err(Failure::NoSuchBackup { .. })
        ));
    }
}
