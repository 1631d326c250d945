//! What `server` and the crates below it tell as literals. They are out of reach here, so they are listed; what is not in German is shown
//! in English.

use super::*;

#[test]
fn reasons_of_jobs() {
    for text in [
        "the administrator asked for it",
        "administrator asked for it",
        "the client's user asked for it",
        "user anna asked for it",
        "user anna@example.org, token ci asked for it",
        "client laptop asked for it",
        "the client began it",
        "job 7 is tried again",
        "backups are due for a check",
        "what is damaged may be put right from a new backup",
        "what is damaged is to be fetched again",
        "it goes on where the last run of the server ended",
        "compare 2.5 % with the source",
        "sda/sda2 as vhd-fixed",
    ] {
        german(text);
    }
}

#[test]
fn what_jobs_wait_for_and_are_at() {
    for text in [
        "paused",
        "the hook before_file_backup",
        "a backup of the client that is being made",
        "the client to be connected",
        "somebody to confirm it at the client",
        "preparing",
        "transferring",
        "finishing",
        "verifying",
        "comparing with the source",
        "assembling",
        "copying backup 3 of 12",
    ] {
        german(text);
    }
}

#[test]
fn problems_of_files() {
    for text in [
        "skipped",
        "changed",
        "vanished",
        "unreadable",
        "metadata",
        "corrupt",
        "conflict",
        "unwritable",
        "content",
        "missing",
        "no answer",
        "hook",
        "synthetic disk",
        "changed while it was read",
        "has 12 bytes, the manifest says 13",
        "is the same damaged data as in 261130-0650",
        "block 12: the volume has other content there: it has changed since, or one of the two is damaged",
        "btrfs snapshot",
        "not consistent: mounted at / and writable while it was read",
    ] {
        german(text);
    }
}

#[test]
fn troubles() {
    for text in [
        "there has been none for three days",
        "what was read is not what was written: 261130-0650, 261201-0650",
        "laptop/261130-0650: less than 1% of the storage default is free: already in the trash",
        "laptop/261130-0650: the storage default is over its quota of 95%: the oldest file backup that nothing protects",
        "laptop/1: less than 1% of the storage default is free: already in the trash\nlaptop/2: less than 1% of the storage default is free: already in the trash",
        "the storage failed: there is no directory /srv/store",
    ] {
        german(text);
    }
}

#[test]
fn ends_of_jobs_and_their_logs() {
    for text in [
        "1 backup checked, 0 damaged",
        "1 backup checked, 1 damaged, 2 files mended",
        "3 backups checked, 1 damaged, 1 file mended",
        "12 backups checked, 1 damaged, 3 files mended; it goes on when the window is open again",
        "12 backups checked, 1 damaged; it goes on when the window is open again",
        "2 backups removed, 1 deleted for good",
        "2 backups copied",
        "12 files hold what the manifest says",
        "12 files of the source have the backup's content",
        "12 blocks of the volumes have the backup's content",
        "1 of 12 files checked have problems",
        "there were more lines, which are not kept",
        "before_file_backup begins",
        "backup 261130-0650 has begun, the first one",
        "backup 261130-0650 has begun, based on 261129-0650",
        "image 261130-0650 has begun, going on where the last one was interrupted",
        "the catalog is whole and was copied into the storage as 261130-0300",
        "laptop/261130-0650 goes: no rule keeps it",
        "laptop/261130-0650 goes for good: was in the trash for 1 d",
        "laptop/261130-0650 goes for good with its client",
        "laptop/261130-0650 is given up since less than 1% of the storage default is free: already in the trash",
        "laptop/261130-0650 is sound: 1 file, 1 of them the same data as in the backup before; 0 bytes were read",
        "laptop/261130-0650 is sound: 12 files, 3 of them the same data as in the backup before; 99 bytes were read",
        "laptop/261130-0650 is damaged: 2 files",
        "all backups lie in second now",
        "1 file restored",
        "12 files restored; 3 files right already; 2 left out, since something else is there; 1 problem",
        "2 files restored; 9 problems",
        "laptop-261130-0650_image-sda.vhdx is published as 0123456789ab: 12.5 GiB are shared with the image, 96.0 KiB were written",
        "the published disk laptop-261130-0650_image-sda.vhdx goes: its time is over",
        "the published disk laptop-261130-0650_image-sda.vhdx is given up since less than 1% of the storage default is free",
        "the published disk laptop-261130-0650_image-sda.vhdx is given up since the storage default is over its quota of 95%",
    ] {
        german(text);
    }
}

#[test]
fn failures() {
    for text in [
        "cancelled",
        "client laptop is not connected",
        "client laptop is busy: job 7 is making a file backup of it",
        "client laptop is busy: job 7 is making a check of it",
        "client laptop is busy: job 7 is moving it",
        "client laptop is busy: job 7 is making a virtual disk of it; wait until that has ended",
        "laptop/261130-0650_image: sda as vhdx is published already: \"perennial image unpublish 0123456789ab\" removes it",
        "there is no room in the storage: 62.5 MiB have to be written and 0 B may be used above what min_free keeps; delete backups or published disks, or add space",
        "there is no disk sda in laptop/261130-0650_image",
        "there is no volume sda/sda9 in laptop/261130-0650_image",
        "there is no published disk 0123456789ab",
        "the server is busy: job 7 is a cleanup",
        "logging in is busy: many want to at once; try again",
        "the client could not do it: cancelled",
        "the connection to the client was lost",
        "the client could not do it: it did not begin the backup",
        "the client could not do it: the source /home can't be opened: Permission denied (os error 13)",
        "the client could not do it: the source \"home\" is another directory than at the last backup, and empty; is its file system mounted?",
        "the storage failed: can't read /srv/store/x: Input/output error (os error 5)",
        "the storage second in /mnt/second is not there: the storage failed: there is no directory /mnt/second",
        "the hook before_file_backup exited with status 1",
        "the client could not do it: the user of the client does not want it",
        "the client could not do it: the client's settings forbid that its server has files restored (restores = \"refuse\")",
        "the client could not do it: too many restores wait at the client",
        "the client could not do it: the restore was neither confirmed nor done in a week",
        "the client could not do it: cannot restore to /home/anna: a symbolic link in it belongs neither to root nor to the user whom the client runs as",
        "the client could not do it: its version of Perennial is too old to be asked for a restore: update it, or restore there with \"perennial restore\"",
        "the catalog failed: another client is called \"Anna's laptop\"",
        "a client is called by 64 characters at most",
        "what a client is called is one line of visible characters",
        "\"relative\" is not the absolute path of a directory",
        "\"dump/db.sql\" does not come from a directory of the client: say to which one it goes",
        "all of this backup is the output of commands: say to which directory it goes",
        "laptop/261130-0650_image is an image: its disks are restored with \"perennial restore-disk\"",
        "the user's name, the password or the code is wrong",
        "there is no setting \"colour\"",
        "backup laptop/261130-0650 can't be deleted: it is archived until 2027-01-01T00:00:00Z",
        "user anna may not do that to the server: none of the user's roles has the right storage",
        "a password has at least 10 characters",
        "user anna is the last one who can manage users: let somebody else do that first",
        "\"A!\" can't be the name of a user: small letters, digits, \"-\", \"_\", \".\" and \"@\" can, 64 at most, the first a letter or a digit",
        "given up after 12 tries: mail.example.org:465 can't be reached: Connection refused (os error 111)",
        "the address does not begin with http:// or https://",
        "a token is for at least one client and at most 10000",
        "a token that is bound to a name is for one client",
        "a source is an absolute path, without line breaks and the like: \"home\"",
        "these are too many sources",
        "\"a b\" is no address of a server",
    ] {
        german(text);
    }
}

#[test]
fn changes() {
    for text in [
        "server",
        "administrator",
        "user anna, token ci",
        "client laptop",
        "viewer for everything",
        "operator for group büro nord",
        "token ci; it does not expire",
        "is now called büro nord",
        "incremental_interval is not set any more",
        "to second, job 7",
        "as job 8",
        "until 2027-01-01T00:00:00Z",
    ] {
        german(text);
    }
    for text in [
        "the server",
        "all clients",
        "any client",
        "job 7",
        "user anna",
        "role ci",
        "to second",
    ] {
        assert_ne!(subject(Language::German, text), text);
    }
}
