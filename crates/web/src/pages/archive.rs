//! Several files and folders of a backup, to be kept by a browser as one archive that is made while it is sent.

use axum::extract::{Path, RawQuery};
use axum::http::HeaderMap;
use axum::response::Response;
use wire::v1::ReadArchiveRequest;

use crate::content::{self, Served};
use crate::failure::Failure;
use crate::pages::backup::{Named, reference};
use crate::parts::paths;
use crate::visitor::User;

/// What archives there are: what they are called in addresses and at the end of a name, and their media types.
pub const FORMATS: [(&str, &str); 3] = [
    ("zip", "application/zip"),
    ("tar", "application/x-tar"),
    ("tar.zst", "application/zstd"),
];

/// What is to be in an archive, and what it is to be. Read by hand, as fields come several times.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Selection {
    format: String,
    /// The folder that the selection was made in. All of it is wanted where nothing else is.
    pub folder: Vec<u8>,
    pub paths: Vec<Vec<u8>>,
}

impl Selection {
    /// `path` is a path in the backup and `name` one within `folder`; what else is said says nothing.
    pub fn of_query(query: &str) -> Option<Self> {
        let fields: Vec<(String, String)> = serde_urlencoded::from_str(query).ok()?;
        Some(Self::of_fields(&fields))
    }

    /// The same of a form.
    pub fn of_fields(fields: &[(String, String)]) -> Self {
        let all = |wanted: &'static str| {
            let of_it = fields.iter().filter(move |(name, _)| name == wanted);
            of_it.map(|(_, value)| paths::unescape(value))
        };
        let format = fields.iter().find(|(name, _)| name == "format");
        let folder = all("folder").next().unwrap_or_default();
        let within = all("name").map(|name| match folder.is_empty() {
            true => name,
            false => [&folder, &b"/"[..], &name].concat(),
        });
        let mut paths: Vec<Vec<u8>> = all("path").chain(within).collect();
        if paths.is_empty() && !folder.is_empty() {
            paths.push(folder.clone());
        }
        Self {
            format: format.map_or("zip", |(_, format)| format).to_owned(),
            folder,
            paths,
        }
    }

    /// What the archive is called: of which backup it is, and of what in it.
    fn file_name(&self, client: &str, backup: &str) -> String {
        let what = match self.paths.as_slice() {
            [one] => one,
            _ => &self.folder,
        };
        let what = paths::shown(paths::name(what));
        let parts = [client, backup, &what];
        let said = parts.into_iter().filter(|part| !part.is_empty());
        format!("{}.{}", said.collect::<Vec<_>>().join("-"), self.format)
    }

    fn kind(&self) -> &'static str {
        let known = FORMATS.into_iter().find(|(format, _)| *format == self.format);
        known.map_or("application/octet-stream", |(_, kind)| kind)
    }
}

pub async fn keep(
    user: User,
    Path((client, name)): Named,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Some(selection) = Selection::of_query(&query.unwrap_or_default()) else {
        return Err(Failure::invalid("the selection is not well-formed").for_visitor(&user));
    };
    let (file_name, kind) = (selection.file_name(&client, &name), selection.kind());
    let request = ReadArchiveRequest {
        backup: Some(reference(&client, &name)),
        paths: selection.paths,
        format: selection.format,
        offset_bytes: 0,
        is_measured: false,
    };
    let served = Served::named(request, &file_name).of_kind(kind);
    match content::serve(&user.services, &served, &headers).await {
        Ok(response) => Ok(response),
        Err(refused) => refused.answer(&user),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(query: &str) -> Selection {
        Selection::of_query(query).expect("it is a query")
    }

    #[test]
    fn fields_may_come_several_times() {
        let selection = of("format=tar&path=a%2Fb&path=c%25FF&other=x");
        assert_eq!(selection.format, "tar");
        assert_eq!(selection.paths, [&b"a/b"[..], b"c\xff"]);
        let within = of("folder=home%2Fme&name=a&name=b%25FF&path=etc");
        assert_eq!(within.paths, [&b"etc"[..], b"home/me/a", b"home/me/b\xff"]);
        assert_eq!(of("folder=&name=data").paths, [b"data"]);
    }

    #[test]
    fn without_selection_it_is_the_folder_or_everything() {
        assert_eq!(of("folder=home&format=zip").paths, [b"home"]);
        assert!(of("folder=&format=zip").paths.is_empty());
        assert_eq!(of("").format, "zip");
    }

    #[test]
    fn an_archive_is_called_after_what_is_in_it() {
        let name = |query: &str| of(query).file_name("laptop", "261130-0650");
        assert_eq!(name(""), "laptop-261130-0650.zip");
        assert_eq!(
            name("folder=home/docs&format=tar.zst"),
            "laptop-261130-0650-docs.tar.zst"
        );
        assert_eq!(name("folder=home&name=a"), "laptop-261130-0650-a.zip");
        assert_eq!(name("folder=home&name=a&name=b"), "laptop-261130-0650-home.zip");
        assert_eq!(name("path=a/b&path=c"), "laptop-261130-0650.zip");
        assert_eq!(
            name("path=b%25FF%2500"),
            "laptop-261130-0650-b\u{fffd}\u{fffd}.zip"
        );
    }

    #[test]
    fn an_archive_is_of_its_kind() {
        assert_eq!(of("format=tar.zst").kind(), "application/zstd");
        assert_eq!(of("format=html").kind(), "application/octet-stream");
    }
}
