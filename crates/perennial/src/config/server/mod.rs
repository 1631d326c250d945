//! The server's settings: what there is to set, and what the server takes of it.

#[cfg(feature = "server")]
mod typed;

use super::logs;
use super::setting::{Fallback, Kind, Setting};

#[cfg(feature = "server")]
pub use typed::{Choice, ServerConfig};

/// Every setting of the server.
pub const TABLE: &[Setting] = &[
    Setting {
        key: "state",
        kind: Kind::Path,
        fallback: Fallback::StateDir("server"),
        placeholder: "DIR",
        about: "Directory of catalog, keys and admin socket; best on an SSD",
    },
    Setting {
        key: "storage",
        kind: Kind::Path,
        fallback: Fallback::DataDir("storage"),
        placeholder: "DIR",
        about: "Directory that holds the backups",
    },
    Setting {
        key: "listen",
        kind: Kind::SocketAddress,
        fallback: Fallback::Text("0.0.0.0:55414"),
        placeholder: "ADDR:PORT",
        about: "Address and port to listen on",
    },
    Setting {
        key: "metrics_listen",
        kind: Kind::SocketAddress,
        fallback: Fallback::Unset,
        placeholder: "ADDR:PORT",
        about: "Address and port to answer Prometheus on, at /metrics, such as 127.0.0.1:9555; whoever can connect can read",
    },
    Setting {
        key: "advertise",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "HOST:PORT",
        about: "Address that clients are told to dial; several are tried in this order. By default the machine's name and the port listened on",
    },
    Setting {
        key: "host_names",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "NAME",
        about: "Further host name or address for the server's certificate, for browsers; may be given several times",
    },
    Setting {
        key: "web_certificate",
        kind: Kind::Path,
        fallback: Fallback::Unset,
        placeholder: "FILE",
        about: "PEM file with the certificate that browsers are shown, and those that lead to its authority; read again when it changes",
    },
    Setting {
        key: "web_key",
        kind: Kind::Path,
        fallback: Fallback::Unset,
        placeholder: "FILE",
        about: "PEM file with the key of that certificate; by default it is in the same file",
    },
    Setting {
        key: "acme_domains",
        kind: Kind::List,
        fallback: Fallback::Unset,
        placeholder: "NAME",
        about: "Name that a certificate for browsers is had for from an ACME server, whose terms are agreed to by that; may be given several times",
    },
    Setting {
        key: "acme_contact",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "ADDRESS",
        about: "Mail address that the ACME server may write to",
    },
    Setting {
        key: "acme_directory",
        kind: Kind::Text,
        fallback: Fallback::Text("https://acme-v02.api.letsencrypt.org/directory"),
        placeholder: "URL",
        about: "Address of the ACME server's directory; Let's Encrypt's by default",
    },
    Setting {
        key: "acme_root",
        kind: Kind::Path,
        fallback: Fallback::Unset,
        placeholder: "FILE",
        about: "PEM file with the authority of the ACME server's own certificate, for one of one's own; by default those that the system trusts",
    },
    Setting {
        key: "backend",
        kind: Kind::Choice(&["auto", "btrfs", "reflink", "hardlink"]),
        fallback: Fallback::Text("auto"),
        placeholder: "BACKEND",
        about: "How backups are kept: auto (by probing), btrfs, reflink or hardlink; fixed when a storage is created",
    },
    Setting {
        key: "pool",
        kind: Kind::Switch,
        fallback: Fallback::Text("true"),
        placeholder: "BOOL",
        about: "Whether the hardlink backend keeps large unchanged directories once, in a directory pool",
    },
    Setting {
        key: "btrfs_compression",
        kind: Kind::Choice(&["off", "zstd", "lzo", "zlib"]),
        fallback: Fallback::Text("off"),
        placeholder: "ALGORITHM",
        about: "Compression that btrfs applies to new backups: off, zstd, lzo or zlib",
    },
    Setting {
        key: "before_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server before the client begins a file backup; if it fails, there is no backup",
    },
    Setting {
        key: "after_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after a file backup was committed",
    },
    Setting {
        key: "failed_file_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after a file backup failed or was cancelled",
    },
    Setting {
        key: "before_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server before the client begins an image backup; if it fails, there is no backup",
    },
    Setting {
        key: "after_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after an image backup was committed",
    },
    Setting {
        key: "failed_image_backup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after an image backup failed or was cancelled",
    },
    Setting {
        key: "after_cleanup",
        kind: Kind::Text,
        fallback: Fallback::Unset,
        placeholder: "COMMAND",
        about: "Shell command that runs on the server after a cleanup",
    },
    Setting {
        key: "hook_timeout",
        kind: Kind::Interval,
        fallback: Fallback::Text("1h"),
        placeholder: "SPAN",
        about: "How long each of these commands may take; or off",
    },
    logs::LEVEL,
    logs::FILE,
    logs::FILE_FORMAT,
    Setting {
        key: "image_format",
        kind: Kind::Policy("image_format"),
        fallback: Fallback::Text("auto"),
        placeholder: "FORMAT",
        about: "What new images are kept in where extents can't be shared: auto (qcow2), qcow2, vhdx or vhd, with what differs from the image before; or raw, with all of it. Elsewhere they are raw and share extents",
    },
    Setting {
        key: "synthetic_disks",
        kind: Kind::Policy("synthetic_disks"),
        fallback: Fallback::Text("vhdx"),
        placeholder: "FORMATS",
        about: "Virtual disks that every image backup gets where extents can be shared: none, or any of raw, vhd, vhd-fixed, vhdx, qcow2, vmdk",
    },
    Setting {
        key: "incremental_interval",
        kind: Kind::Policy("incremental_interval"),
        fallback: Fallback::Text("5h"),
        placeholder: "SPAN",
        about: "Time from one file backup to the next incremental one",
    },
    Setting {
        key: "full_interval",
        kind: Kind::Policy("full_interval"),
        fallback: Fallback::Text("30d"),
        placeholder: "SPAN",
        about: "Time from one full file backup, which reads everything again, to the next",
    },
    Setting {
        key: "settings",
        kind: Kind::Policies,
        fallback: Fallback::Unset,
        placeholder: "KEY=VALUE",
        about: "Any of what \"perennial settings show\" lists, below what is set with \"perennial settings set\"; in the file a table, as a flag several times",
    },
];
