//! What the sources of the services say of them: the comments above services, calls, messages and fields.

use std::collections::HashMap;
use std::sync::LazyLock;

use prost_reflect::{DescriptorPool, FileDescriptor};

/// All services and messages.
pub static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(wire::DESCRIPTORS).expect("they were compiled with the services")
});

/// Comments by the file and the path to what they are about (`google/protobuf/descriptor.proto`, `SourceCodeInfo`).
type Comments = HashMap<(String, Vec<i32>), String>;

static COMMENTS: LazyLock<Comments> =
    LazyLock::new(|| POOL.files().flat_map(|file| of_file(&file)).collect());

fn of_file(file: &FileDescriptor) -> Vec<((String, Vec<i32>), String)> {
    let proto = file.file_descriptor_proto();
    let locations = proto.source_code_info.iter().flat_map(|info| &info.location);
    locations
        .filter_map(|location| {
            let comment = location
                .leading_comments
                .as_ref()
                .or(location.trailing_comments.as_ref())?;
            let key = (file.name().to_owned(), location.path.clone());
            Some((key, in_one_line(comment)))
        })
        .collect()
}

fn in_one_line(comment: &str) -> String {
    let lines: Vec<&str> = comment.lines().map(str::trim).collect();
    lines.join(" ").trim().to_owned()
}

/// The comment about something; empty where there is none.
pub fn about(file: &FileDescriptor, path: &[i32]) -> &'static str {
    let key = (file.name().to_owned(), path.to_vec());
    COMMENTS.get(&key).map_or("", String::as_str)
}

/// The first sentence of a comment.
pub fn first_sentence(comment: &str) -> &str {
    let end = comment.find(". ").map_or(comment.len(), |end| end + 1);
    &comment[..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_are_found_by_what_they_are_about() {
        let client = POOL
            .get_message_by_name("perennial.v1.ClientInfo")
            .expect("it is there");
        let paused = client.get_field_by_name("paused_until_ms").expect("it is there");
        assert_eq!(
            about(&paused.parent_file(), paused.path()),
            "Set while its backups rest."
        );
        let name = client.get_field_by_name("name").expect("it is there");
        assert_eq!(about(&name.parent_file(), name.path()), "");
    }

    #[test]
    fn a_sentence_ends_where_the_next_begins() {
        assert_eq!(first_sentence("One, e.g.this. Two."), "One, e.g.this.");
        assert_eq!(first_sentence("One"), "One");
    }
}
