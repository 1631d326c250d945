# The texts of the web interface in English. texts/de.ftl has the same, in the same order.

menu = Menu
menu-overview = Overview
menu-activity = Activity
menu-clients = Clients
menu-storage = Storage
menu-changes = Changes
menu-account = Your account
skip-to-content = Skip to content
save = Save
copied = Copied

log-in = Log in
log-out = Log out
log-in-user = User
log-in-password = Password
log-in-code = Code
log-in-code-hint = From your app, or a recovery code. Enter the password once more.

welcome = Welcome
welcome-about = Nobody can log in to this server yet. You are its first user, and may do everything.
welcome-code = One-time code
welcome-code-hint = The server has told it when it started: look into its log, or run this on its machine:
welcome-user = Your name
welcome-password = Password
welcome-again = Password once more
welcome-differ = The two passwords differ.
welcome-go = Set up

failure-home = To the overview
failure-elsewhere = This request came from another site, so nothing was done.
failure-stale = The page was out of date, so nothing was done. Go back, load it again and try once more.
failure-not-found = There is nothing here.
failure-refused = You may not do that.
failure-invalid = That can't be done.
failure-unavailable = That is not possible at the moment.
failure-internal = Something went wrong. The server's log says more.

span-seconds = { $first } s
span-minutes = { $first } min { $second } s
span-hours = { $first } h { $second } min
span-days = { $first } d { $second } h

time-now = now
time-ago-minutes = { $count ->
    [one] 1 minute ago
   *[other] { $count } minutes ago
}
time-ago-hours = { $count ->
    [one] 1 hour ago
   *[other] { $count } hours ago
}
time-ago-days = { $count ->
    [one] 1 day ago
   *[other] { $count } days ago
}
time-ahead-minutes = { $count ->
    [one] in 1 minute
   *[other] in { $count } minutes
}
time-ahead-hours = { $count ->
    [one] in 1 hour
   *[other] in { $count } hours
}
time-ahead-days = { $count ->
    [one] in 1 day
   *[other] in { $count } days
}

list-filter = Show only
list-all = All
list-search = Find
list-pager = Pages
list-pages = Page { $page } of { $last } · { $count } in all
list-previous = Previous
list-next = Next
list-newest = Newest
list-older = Older

condition-failing = Failing
condition-late = Late
condition-never = No backup yet
condition-fine = Fine
condition-paused = Paused
condition-off = Off
condition-revoked = Revoked

kind-file-backup = Files
kind-image-backup = Image
kind-restore = Restore
kind-verify = Verification
kind-delete = Deletion
kind-cleanup = Cleanup
kind-repair = Repair
kind-rebuild-index = Rebuilding the index
kind-move = Move
kind-check = Check
kind-publish = Virtual disk
mode-full = full
mode-incremental = incremental

job-queued = Waiting
job-running = Running
job-paused = Paused
job-done = Done
job-failed = Failed
job-cancelled = Cancelled
job-interrupted = Interrupted

overview-fine = Everything is all right.
overview-wrong = { $count ->
    [one] One thing needs you.
   *[other] { $count } things need you.
}
overview-no-clients = No computer is backed up yet.
overview-conditions = Clients by state
overview-needs = What needs you
overview-more = { $count ->
    [one] and one more
   *[other] and { $count } more
}
overview-server = The server
overview-running = Running now
overview-all-activity = All activity
overview-room = Space
overview-all-storage = All of the storage

trouble-backup-failed = backups fail
trouble-client-late = backups are missing
trouble-client-never = has never been backed up
trouble-backup-problems = the last backup had problems
trouble-verification-failed = backups are damaged
trouble-space-low = space is running low
trouble-space-out = there is no space left
trouble-backups-given-up = backups were given up for lack of space
trouble-cleanup-failed = the cleanup failed
trouble-storage-missing = a storage is not there
trouble-catalog-not-copied = the catalog is not being copied

activity-running = Running
activity-waiting = Waiting
activity-past = History
activity-find = Client or kind
activity-nothing = No jobs.
activity-nothing-runs = Nothing runs at the moment.
activity-its-turn = its turn
activity-what = Job
activity-state = State
activity-ended = Ended
activity-took = Took
activity-began = Began
activity-rest = { $time } left
activity-client = Client
activity-subject = About
activity-reason = Why
activity-waits = Waits for
activity-log = Log
activity-no-log = Nothing was logged.
activity-cancel = Cancel
activity-pause = Let it rest
activity-resume = Let it go on
activity-retry = Try again

clients-add = Add a client
clients-find = Name, group or system
clients-none = No clients.
clients-name = Client
clients-state = State
clients-newest = Last backup
clients-backups = Backups
clients-seen = Last seen
clients-online = connected

add-about = A client is a computer that is backed up. It joins with a token, which the installer brings.
add-name = Name
add-name-hint = Letters, digits, dots, dashes and underscores, such as laptop-anna. Empty: the computer joins under its own name.
add-uses = How many computers
add-uses-hint = More than one may join only under their own names.
add-days = Good for
add-days-1 = one day
add-days-7 = one week
add-days-30 = 30 days
add-sources = What is backed up
add-sources-hint = A directory in each line. Empty: /etc, /home, /root, /srv and /usr/local. On the computer it can be changed in /etc/perennial/client.toml.
add-go = Make an installer
add-under-own-name = Computers under their own names
add-one-line = Run this on the computer. It installs the client, lets it join and starts it:
add-one-line-hint = For Linux, with curl. It asks for the administrator's password if need be.
add-download = Or download an installer
add-form-sh = Shell script
add-form-deb = Package for Debian, Ubuntu
add-form-rpm = Package for Fedora, openSUSE
add-download-hint = The script is run as root with “sh”, and --help shows what it can do. A package is for the kind of processor that this server has; its client joins by itself.
add-by-hand = Or let a program join that is there already
add-by-hand-hint = Run it as root. What is backed up is said in /etc/perennial/client.toml then.
add-until = It expires
add-wait = What has joined appears under
add-once = It is shown this once. Whoever has it can join: keep it to yourself.

client-system = System
client-version = Version
client-group = Group
client-enrolled = Joined
client-what = What to back up
client-start = Back up now
client-not-there = The client is not connected.
client-pause = Pause for a day
client-resume = Go on
client-next = Next backups
client-backups = Backups
client-no-backups = No backups yet.

start-files = Files
start-files-full = Files, all read again
start-image = Image
start-image-full = Image, all read again

next-kind = Kind
next-last = Last
next-begins = Next
next-why = Why

backup-made = Made
backup-kind = Kind
backup-files = Files
backup-size = Size
backup-sent = Transferred
backup-state = State
backup-problems = { $count ->
    [one] 1 problem
   *[other] { $count } problems
}
backup-archived = Archived
backup-held = Held
backup-verified = Verified
backup-damaged = Damaged

storage-free = { $free } of { $total } free
storage-absent = Not there
storage-counts = { $clients ->
    [one] 1 client
   *[other] { $clients } clients
}, { $backups } backups
storage-saved = All backups are { $size } by themselves and take { $taken }: { $percent } % are saved by what they share.
health = Health
health-sound = Sound
health-nothing-damaged = Nothing is known to be damaged.
health-damaged = Damaged
health-damaged-files = { $count ->
    [one] One file of a backup is not as it was written.
   *[other] { $shown } files of backups are not as they were written.
}
health-backup = Backup
health-file = File
health-found = Found
health-more = { $count ->
    [one] And one more.
   *[other] And { $count } more.
}
health-mends = What is damaged is put right from an identical file, or from the client's next backup, as soon as there is one.
health-checks = Last checks
health-no-checks = No backup has been checked yet.
health-checked = { $backups ->
    [one] one backup, { $read } read
   *[other] { $shown } backups, { $read } read
}
health-found-damaged = { $count ->
    [one] one damaged
   *[other] { $count } damaged
}
health-mended = { $count ->
    [one] one file put right
   *[other] { $count } files put right
}
health-check-due = Check what is due
health-check-everything = Check everything
storage-usage = What clients take
storage-usage-hint = “Freed if deleted” is what deleting all backups of the client would free; “shared” is what they have in common with backups of other clients.
storage-nothing = Nothing has been counted yet.
usage-client = Client
usage-backups = Backups
usage-size = Size
usage-freed = Freed if deleted
usage-shared = Shared

changes-find = Who, what or whose
changes-none = No changes.
changes-when = When
changes-who = Who
changes-what = What
changes-subject = To what
changes-detail = How

account-may = What you may do
account-nothing = Nothing yet: ask an administrator.
account-everything = everything
account-group = group
account-client = client
account-totp = A second factor is asked for.
account-no-totp = No second factor is asked for.
account-look = Language and look
account-language = Language
account-theme = Colours
theme-device = As the device
theme-light = Light
theme-dark = Dark
account-sessions = Where you are logged in
session-since = Since
session-used = Last used
session-from = From
session-with = With
session-this = here

backup-way = Where you are
backup-look = Browse the files
backup-verify = Verify now
backup-delete = Delete
backup-started = Started
backup-ended = Ended
backup-took = Took
backup-base = Made on top of
backup-directories = Folders
backup-new = Newly stored
backup-freed = Freed if deleted
backup-shared = In common with others
backup-uncounted = Not known: it is still being counted, or the file system does not tell.
backup-verification = Verification
backup-never-verified = Never verified
backup-keeping = How long it stays
backup-by-rules = The rules of retention decide how long it stays.
backup-archived-until = Archived until { $until } ({ $who }).
backup-archived-for-ever = Archived for ever ({ $who }).
backup-held-for = Held, so nobody can delete it: { $reason }
backup-archive-month = Archive for a month
backup-archive-year = Archive for a year
backup-archive-for-ever = Archive for ever
backup-unarchive = No longer archive
backup-hold = Hold
backup-hold-reason = Reason for holding it
backup-release = Release
backup-sources = Sources
backup-source-name = Source
backup-source-path = Path on the client
backup-source-still = Held still by
backup-source-none = nothing: files may have changed meanwhile
backup-damage = Damaged files
backup-problem-list = Problems
backup-problem-path = File
backup-problem-kind = Kind
backup-problem-message = What happened
backup-problems-hidden = You may not see which files had problems.
backup-delete-ask = Delete this backup?
backup-delete-frees = { $bytes } would be freed once it has left the trash; the rest of its content is in other backups too.
backup-delete-unknown = Nobody knows yet how much space would be freed.
backup-delete-trash = It goes into the trash, where the settings keep it for a while. Until then it can be had back.
backup-delete-kept = It is archived or held, so it can't be deleted.
backup-delete-go = Into the trash
backup-delete-no = Keep it

browse-all = Files
browse-find = Part of a name
browse-empty = Nothing is in here.
browse-nothing-found = No name here has that in it.
browse-capped = Only the first { $count } can be paged through. Look for a part of a name to find the others.
browse-image = This backup holds whole volumes. The files on them are found by way of its disks:
browse-name = Name
browse-size = Size
browse-time = Changed
browse-mode = Mode
browse-owner = Owner

compare = What has changed
compare-from = Since
compare-to = Until
compare-go = Compare
compare-none-other = The client has no other backup of this kind.
compare-added = Added
compare-removed = Removed
compare-content = Content changed
compare-metadata = Only attributes changed
compare-growth = Change in size
compare-find = Part of a path
compare-capped = Only the first { $count } of them can be paged through. Look for a part of a path to find the others.
compare-nothing = Nothing differs.
compare-path = Path
compare-what = What
compare-before = Before
compare-after = After

menu-settings = Settings

tabs = Settings, groups, notifications
tabs-settings = Settings
tabs-groups = Groups
tabs-notifications = Notifications

settings-of-all = Settings for all clients
settings-of-group = Settings of group { $name }
settings-of-client = Settings of { $name }
settings-about-server = They hold for every client, as long as nothing else is set for its group or itself.
settings-about-group = They hold for the clients of this group, as long as nothing else is set for one of them. What is not set here is as for all.
settings-about-client = They hold for this client alone. What is not set here is as for its group, or as for all.
settings-layers = Where you are
settings-find = Word or key
settings-none = No setting has that in it.
settings-section-schedule = When backups are made
settings-section-limits = How much at once
settings-section-retention = What is kept
settings-section-images = Images
settings-section-storages = Storage
settings-section-alerts = What is told
settings-section-permissions = Who may do what
settings-set-here = set here
settings-by-default = default
settings-by-start = the server's start configuration ({ $origin })
settings-by-server = set for all clients
settings-by-group = set for group { $origin }
settings-by-client = set for client { $origin }
settings-by-user = set by the client's own user
settings-from-otherwise = { $from }; otherwise { $value }
settings-overruled = The client's own user has the last say here.
settings-besides = besides:
settings-ignored = Does not count:
settings-change = Change
settings-value = New value
settings-how = It is to hold
settings-replace = instead of what is set before
settings-add = besides what is set before
settings-unset = No longer set here
settings-only-all = It can only be set for all clients.
settings-only-groups = It can't be set for one client, only for groups and for all.
settings-fixed = It is fixed by the server's start configuration and can't be changed here.

groups-about = A group is for clients that have settings in common, or people who look after them. A client is in one group at most.
groups-none = No groups.
groups-new = New group
groups-name = Name
groups-name-hint = Letters, digits, spaces, dashes, underscores and dots.
groups-create = Create
groups-rename = Rename
groups-delete = Delete
groups-empty = No client is in this group.
groups-move = Other group
groups-move-go = Move
groups-take-out = Take out
groups-add = Put a client in
groups-add-go = Put in
groups-one = A client that is in another group leaves it.
groups-delete-ask = Delete this group?
groups-delete-about = { $count ->
    [0] No client is in it. Its settings go with it, and the rights that people have for it.
    [one] One client will be in no group. The settings of the group go with it, and the rights that people have for it.
   *[other] { $count } clients will be in no group. The settings of the group go with it, and the rights that people have for it.
}
groups-delete-go = Delete the group

channels = Channels
channels-add = Add a channel
channels-none = Nobody is told anything yet.
channels-name = Channel
channels-to = To
channels-tells = Tells
channels-of = Of
channels-last = Last message
channels-do = Actions
channels-except = but not:
channels-report = Report { $day } at { $hour }
channels-report-failures = Report { $day } at { $hour }, only if something failed
channels-of-all = all clients and the server
channels-waiting = { $count ->
    [one] 1 message waits
   *[other] { $count } messages wait
}
channels-test = Test
channels-test-again = Test again
channels-test-of = Test of { $name }
channels-tested = The message was delivered.
channels-test-failed = The message was not delivered, or not to everybody:
channels-edit = Edit
channels-remove = Remove
channels-remove-ask = Remove this channel?
channels-remove-about = { $count ->
    [0] Nobody is told anything over it any more.
    [one] Nobody is told anything over it any more. One message that waits for it goes too.
   *[other] Nobody is told anything over it any more. { $count } messages that wait for it go too.
}
channels-back = Back to the channels

carrier-mail = Mail
carrier-webhook = Webhook
carrier-ping = Ping
carrier-json = JSON for a program
carrier-slack = Slack
carrier-discord = Discord
carrier-ntfy = ntfy
carrier-gotify = Gotify

tell-failures = failures
tell-warnings = failures and warnings
tell-all = everything, each backup too
tell-nothing = nothing but reports
tell-pings = begin and end of each backup
event-backup-made = a backup was made
day-daily = every day
day-monday = on Mondays
day-tuesday = on Tuesdays
day-wednesday = on Wednesdays
day-thursday = on Thursdays
day-friday = on Fridays
day-saturday = on Saturdays
day-sunday = on Sundays

channel-way = How messages go
channel-audience = Who is told what
channel-stays = What is left empty here stays as it is. Passwords and addresses are never shown again.
channel-name = Name of the channel
channel-recipients = Recipients, with commas between them
channel-from = Sender
channel-host = Mail server
channel-security = Encryption
channel-security-tls = TLS from the beginning
channel-security-starttls = STARTTLS
channel-security-plain = none
channel-port = Port, if it is not the usual one
channel-user = User, if the server wants a log-in
channel-secret = Password or token
channel-secret-webhook = A token for ntfy and Gotify, the key of a signature for JSON; nothing for Slack and Discord.
channel-forget-secret = Forget the password or token
channel-form = Form
channel-url = Address
channel-ping-about = The address of a check that raises the alarm when no ping comes.
channel-tell = Tells
channel-except = But not
channel-report-on = Report
channel-no-report = none
channel-report-hour = Hour of the report
channel-report-only-failures = Report only if something failed
channel-clients = Only of these clients, with commas between them
channel-groups = Only of these groups, with commas between them
channel-scope-hint = If both are empty, it tells of all clients and of the server itself.

outbox = Messages
outbox-find = Channel or text
outbox-none = No messages.
outbox-waiting = Waiting
outbox-delivered = Delivered
outbox-given-up = Given up
outbox-message = Message
outbox-channel = Channel
outbox-state = State
outbox-queued = Since
outbox-failures = Failed tries
outbox-next = next try
client-settings = Settings

yes = Yes
no = No
question-no = Cancel
menu-users = Users
account-proofs = Password and second factor
account-recovery-codes = { $count ->
    [one] 1 recovery code is left.
   *[other] { $count } recovery codes are left.
}
done-password = The password is changed, and all other sessions have ended.
done-second-factor-removed = No second factor is asked for any more.

password-title = Set a new password
password-current = Password so far
password-new = New password
password-again = New password once more
password-hint = At least 10 characters. All other sessions end.
password-go = Set it

factor-title = Second factor
factor-password = Your password
factor-begin = Set up a second factor
factor-begin-about = At a log-in you are then asked for a code too, which an app on your phone makes anew every 30 seconds.
factor-remove = Remove the second factor
factor-remove-about = A second factor is asked for. Without it, the password alone is enough to log in.
factor-remove-ask = Remove the second factor?
factor-remove-others = This helps whoever has lost both phone and recovery codes. From then on the password alone is enough to log in.
factor-scan = Scan this with an app for codes.
factor-qr = QR code of the secret for an app
factor-type = Or type the secret:
factor-open = Open in an app on this device
factor-address = The address with all of it
factor-code = Code that the app shows
factor-confirm = Confirm
factor-anew = Start anew with another secret
factor-done = From now on codes are asked for.
factor-recovery = Keep these recovery codes where only you find them. Each works once in place of a code, and they are shown this once.
factor-kept = I have kept it safe

session-none = Nobody is logged in.
session-end = End

tokens = API tokens
token-about = With a token a script gets in, in the name of its user. It may do what that user may, and of that only what it is limited to. It can't change the account.
token-make = Make a token
token-none = There are none.
token-name = Name
token-rights = Rights
token-for = For
token-used = Last used
token-expires = Expires
token-unlimited = all of the user's
token-nobody = nobody any more
token-never = never
token-expired = expired
token-revoke = Revoke
token-limit-rights = What it may
token-rights-all = All that its user may
token-rights-these = Only this:
token-limit-scopes = For whom
token-scopes-all = For all for whom its user may
token-scopes-these = Only for these:
token-no-rights = Tick the rights that the token is limited to.
token-no-scopes = Tick the groups and clients that the token is limited to.
token-valid = How long it holds
token-valid-month = 30 days
token-valid-year = One year
token-valid-for-ever = Until it is revoked
token-go = Make it
token-made = The token
token-once = Copy it now: it is shown this once.
token-until = It holds until { $until }.
token-no-end = It does not expire: revoke it when it is needed no more.

access-groups = Groups
access-clients = Clients
access-rights = Rights
access-needs-everything = counts only in a grant for everything
access-name-hint = Small letters, digits, dots, dashes, underscores and @.

users-find = Name or role
users-none = No users.
users-name = Name
users-state = State
users-factor = Second factor
users-last = Last log-in
users-sessions = Sessions
users-tokens = Tokens
user-active = Active
user-disabled = Disabled
user-locked-out = Locked out
user-tokens-only = Tokens only
user-add = Add a user
user-password-hint = At least 10 characters. Leave it empty for a user who gets in with API tokens only.
user-added = Added
user-locked-until = Locked out until
user-unlock = Unlock
user-enable = Enable
user-disable = Disable
user-remove = Remove
user-remove-ask = Remove this user?
user-remove-about = The sessions and API tokens end at once, and the name can be given anew. Disabled users can't get in either, and can be let in again.
user-own = This is you. All else is under:
user-sessions = Where the user is logged in
user-may = What the user may do
user-may-nothing = Nothing yet.
grant-role = Role
grant-scope = For
grant-add = Grant
grant-revoke = Take away
grant-roles = What each role allows

roles = Roles
role-name = Name
role-built-in = built in
role-make = Make a role
role-delete = Delete
role-delete-ask = Delete this role?
role-delete-about = Only a role that nobody has can be deleted.
role-glossary = What the rights mean
role-glossary-about = Most hold for the clients that a role is granted for. Whoever has users, groups or enrol for everything can get at all the rest.
role-administrator = May do everything that the grant is for
role-operator = Keeps backups going; sees no content, deletes nothing and changes no settings
role-restorer = Looks into backups and has files given back
role-viewer = Sees how backups stand and why they fail, and changes nothing
right-see = See the client, its backups with their sizes, its jobs, its settings, and what will be made and deleted when
right-logs = Read the logs of its jobs and the problems of its backups, which name files
right-browse = See the names, sizes and times of the files in its backups
right-restore = Have the content of its files
right-start-incremental-file = Start an incremental file backup
right-start-full-file = Start a full file backup
right-start-incremental-image = Start an incremental image backup
right-start-full-image = Start a full image backup
right-verify = Have its backups verified
right-pause = Let its scheduled backups rest, and go on
right-jobs = Pause, resume and cancel its jobs
right-settings = Change its settings; those of a group with a grant for the group, the server's with one for everything
right-protect = Archive and hold its backups, and let go of them
right-delete = Delete its backups into the trash, and take them back
right-purge = Delete its backups for good, past the trash or out of it; remove it with all its backups, and take it back
right-enrol = Make enrolment tokens for its name, revoke, disable and enable it; with a grant for everything, for new clients too. Whoever may do this can take the client's place and read its backups
right-status = See the server's version, storage and space, and what the doctor finds
right-groups = Make groups and put clients into them, which also decides who has rights on them
right-storage = Clean up, plan what to give up, repair the storage, rebuild its index
right-notify = See and change whom the server tells what happens
right-audit = Read the audit log, and watch the server's log
right-users = Manage users, roles, grants, API tokens and sessions; whoever may do this can get every other right

month-1 = January
month-2 = February
month-3 = March
month-4 = April
month-5 = May
month-6 = June
month-7 = July
month-8 = August
month-9 = September
month-10 = October
month-11 = November
month-12 = December
weekday-1 = Monday
weekday-2 = Tuesday
weekday-3 = Wednesday
weekday-4 = Thursday
weekday-5 = Friday
weekday-6 = Saturday
weekday-7 = Sunday
weekday-short-1 = Mon
weekday-short-2 = Tue
weekday-short-3 = Wed
weekday-short-4 = Thu
weekday-short-5 = Fri
weekday-short-6 = Sat
weekday-short-7 = Sun

chart-figures = The figures
chart-when = When
sizes = Sizes over time
sizes-period = How far back
sizes-month = 30 days
sizes-quarter = 90 days
sizes-year = A year
sizes-all = All
sizes-too-few = There is too little to compare yet: a figure is taken each day.
sizes-taken = What the client takes
sizes-taken-about = “Size” is what restores of all its backups would write.
sizes-by-client = What each client takes
sizes-by-client-about = What deleting all backups of a client would free. What clients have in common is not in it.
sizes-others = All others
sizes-backups = Size of each backup
sizes-transferred-day = Transferred each day
sizes-transferred-week = Transferred each week
sizes-transferred-month = Transferred each month

calendar = Calendar
calendar-years = Years
calendar-months = Months
calendar-earlier = Earlier
calendar-later = Later
calendar-more = { $count } more on { $day }
calendar-problems = With problems
calendar-damaged = Damaged
client-all-backups = All backups ({ $count })
backups-list = List
backups-all-days = Show all days
backups-fine = Without problems
backups-problems = With problems
backups-damaged = Damaged
backups-kept = Archived or held

tabs-of-storage = Storage, retention, trash
tabs-storage = Storage
tabs-retention = Retention
tabs-trash = Trash

retention = What will go
retention-link = What will go
retention-client = Client
retention-all = All clients
retention-when = When
retention-days-0 = Now
retention-days-7 = In the next 7 days
retention-days-30 = In the next 30 days
retention-days-365 = In the next 365 days
retention-expected = Count on new backups
retention-expected-about = As if backups went on being made on time. Makes no difference to what goes now.
retention-show = Show
retention-goes-now = { $count ->
    [0] A cleanup would remove no backup now.
    [one] A cleanup would remove one backup now.
   *[other] A cleanup would remove { $shown } backups now.
}
retention-goes = { $count ->
    [0] No backup goes in that time.
    [one] One backup goes in that time.
   *[other] { $shown } backups go in that time.
}
retention-not-made = { $count ->
    [one] One of them has not been made yet.
   *[other] { $shown } of them have not been made yet.
}
retention-frees = Without those that are there today, { $bytes } more would be free, once they have left the trash.
retention-frees-unknown = Nobody knows at the moment how much space that would free.
retention-leaving = What goes
retention-staying = What stays
retention-nothing-goes = Nothing goes.
retention-to-come = not made yet
retention-head-backup = Backup
retention-head-kind = Kind
retention-head-made = Made
retention-head-goes = Goes
retention-head-why = Why
retention-head-stays-why = Why it stays
retention-besides = A cleanup also keeps clients to their quotas, and empties the trash of what is past its time.
retention-rules = Settings of retention
retention-cleanup = Clean up now
cleanup-ask = Do the cleanup now?
cleanup-about = It does what the nightly cleanup does: removes what the rules no longer keep, empties the trash of what is past its time, keeps clients to their quotas, and forgets old jobs and changes. What it removes by the rules goes into the trash.
cleanup-go = Clean up

trash = Trash
trash-about = Deleted backups stay here for a while, as long as there is space. Until they go for good they can be had back.
trash-find = Client
trash-empty = The trash is empty.
trash-backup = Backup
trash-made = Made
trash-size = Size
trash-deleted = Deleted
trash-until = Goes for good
trash-restore = Have it back
trash-delete = Delete for good
trash-ask = Delete this backup for good?
trash-delete-about = It was made on { $made }. Once it is deleted, nobody can have it back.
trash-delete-go = Delete for good

week-open = open
week-closed = closed
week-label = Week of
week-help = Draw over hours to open or close them. With the keyboard: arrow keys move, Shift marks several, Space paints.
week-palette = Paint with
week-inexact = The text has times that don't fall on full hours; the week shows only how each hour begins. The text stays as it is unless you paint.
week-unreadable = This text can't be shown as a week.

api-title = Interface for programs
api-about = Everything that these pages show and do can be done by programs too, as JSON. Each call below says what it takes and what it answers.
api-cookie = Programs bring an API token: “Authorization: Bearer TOKEN”. What only reads can be tried here, as you are logged in.
api-document = Description as OpenAPI
api-parameters = Parameters
api-body = Body
api-fields = Fields
api-kind = Type
api-meaning = Meaning
api-messages = Messages
api-answer = Answers with
api-lines = Answers with lines, as they come; each is a
api-content = Answers with the content of the file.
api-try = Try it

pick-download = Download what is checked, or else the whole folder, as
pick-as = Download as { $format }
bring-back = Restore to the client …
bring-back-title = Restore to { $client }
bring-back-what = What is restored
bring-back-all = Everything in this backup.
bring-back-more = { $count ->
    [one] And one more.
   *[other] And { $count } more.
}
bring-back-where = Where it goes
bring-back-original = To where it came from
bring-back-elsewhere = Into one directory of the client
bring-back-target = That directory
bring-back-no-target = Say into which directory of the client it goes, such as /tmp/restored.
bring-back-existing = A file that is there and differs
bring-back-keep = stays as it is
bring-back-both = is kept beside the restored one
bring-back-overwrite = is replaced
bring-back-about = The client does this as soon as it is connected. Unless its own settings say otherwise, somebody confirms it on its machine first: perennial client restores
bring-back-go = Ask the client
pick-all = Select all
pick-one = Select { $name }

file-download = Download
file-download-named = Download { $name }
file-kind = Kind
file-target = Leads to
file-hash = BLAKE3
file-preview = Preview
file-empty = The file is empty.
file-cut = Only the first { $bytes } are shown.
file-no-preview = This is neither text nor a picture that can be shown. Download it to look into it.
file-refused = You may not read what is in the files of this client.
file-unreadable = It can't be read:
file-versions = Versions
file-version-changed = Changed
file-version-size = Size
file-version-from = From the backup of
file-version-to = To the backup of
file-version-backups = Backups
file-version-do = With it
file-version-here = this one
file-compare = Compare with the one before
file-no-comparison = Only texts of up to 256 KiB can be compared line by line.
file-back = The file
file-line = From line { $number }:
file-lines-cut = Only the first { $count } lines of the comparison are shown.

entry-file = File
entry-volume = Volume
entry-directory = Folder
entry-symlink = Symbolic link
entry-hard-link = File (further name)
entry-fifo = Pipe
entry-character-device = Character device
entry-block-device = Block device

search-title = Search
search-label = Search all backups by name
search-hint = Part of a name, in capitals or not. With * or ? in it, all of the name has to be like that: *.pdf
search-beneath = Only in the folder
search-everywhere = Search everywhere
search-told = { $found } found; { $searched } of { $backups } backups were looked through, the newest first.
search-cut = The search was ended after { $seconds } seconds. More of a name, or a folder to search in, makes it shorter.
search-full = Only the first { $count } are shown. More of a name finds fewer.
search-nothing = Nothing has such a name.
search-results = What was found
search-path = Path
search-kind = Kind
search-size = Size
search-time = Changed
search-backup = Newest backup with it

command-copy = Copy
condition-disabled = Disabled
condition-removed = Removed

image-disks = Disks
image-no-disks = The image has no disks.
image-hidden = You may not see what is in this image.
image-none = This backup is no image: it has no volumes.
image-bar = Partitions of { $disk }
image-free = Free
image-table-none = no partition table
image-table-mbr = MBR
image-table-gpt = GPT
image-table-hybrid = GPT with a hybrid MBR
image-head-partition = Partition
image-head-type = Type
image-head-start = Start
image-head-size = Size
image-head-file-system = File system
image-head-used = Used
image-head-mounted = Mounted at
image-head-still = Held still by
image-whole-disk = Whole disk
image-left-out = Not part of the backup
image-browse = Browse
image-raw = Download raw
image-restore = Commands to restore this disk
image-restore-about = Restoring is done by the perennial program where the disk is. Put the device to be written to in the place of /dev/sdX: everything on it will be gone.
image-restore-client = On the client, as root, onto a disk:
image-restore-server = On the server's machine, into a file:
image-use = Commands to use this disk without restoring it
image-use-about = They run on the server's machine.
image-export = Make a virtual disk of it; --format says which, or the ending of the file's name:
image-serve = Serve it to whatever speaks NBD, until Ctrl-C:
image-mount = Mount a volume read-only, as root:
published = Virtual disks to download
published-none = None has been made of this client's images.
published-making = { $what } is being made. Look here again.
published-failed = { $what } could not be made:
published-make = Make a virtual disk
published-make-about = It is made on the server and can be downloaded then, by everybody who may restore this client's backups. It goes by itself after a while; the backup stays as it is.
published-of = Of
published-as = Format
published-go = Make it
published-format-vhdx = VHDX (Hyper-V, Windows)
published-format-vhd = VHD, dynamic (Windows, VirtualBox)
published-format-vhd-fixed = VHD, fixed (Azure)
published-format-qcow2 = qcow2 (QEMU, KVM)
published-format-raw = Raw
published-head-file = File
published-head-image = Image
published-head-size = Size
published-head-written = Takes
published-head-made = Made
published-head-goes = Goes
published-head-place = On the server
published-head-do = Action
published-remove = Remove
published-remove-ask = Remove this virtual disk?
published-remove-about = The backup that it was made of stays. The disk can be made again as long as there is that backup.
published-remove-go = Remove it

partition-efi = EFI system
partition-bios-boot = BIOS boot
partition-windows-reserved = Microsoft reserved
partition-windows-data = Windows data
partition-windows-recovery = Windows recovery
partition-windows-dynamic = Windows dynamic disk
partition-windows-spaces = Windows storage spaces
partition-linux = Linux
partition-linux-root = Linux root
partition-linux-home = Linux home
partition-linux-server-data = Linux server data
partition-linux-boot = Linux boot
partition-linux-swap = Linux swap
partition-linux-lvm = Linux LVM
partition-linux-raid = Linux RAID
partition-linux-encrypted = Linux, encrypted
partition-apple-apfs = Apple APFS
partition-apple-hfs = Apple HFS+
partition-zfs = ZFS
partition-fat = FAT
partition-fat32 = FAT32
partition-extended = Extended
partition-protective = Protective, of a GPT

tabs-of-changes = Changes, log
tabs-changes = Changes
tabs-log = Log

log = The server's log
log-level = How bad
log-error = Errors
log-warning = Warnings
log-info = Usual
log-debug = All
log-one-error = Error:
log-one-warning = Warning:
log-all = All clients
log-none = Nothing of that has been written since the server started.
log-pause = Pause
log-about = The newest lines since the server started; each filter shows what is worse, too. What the server logs at all is said when it is started.

client-disable = Disable
client-enable = Enable
client-remove = Remove
client-take-back = Take it back
client-barring = Rename, disable or remove
client-shown-as = Shown as
client-rename = Rename
client-rename-about = People see what is said here. Commands, the storage and the client's certificate keep { $name }.
client-barring-about = A disabled client can't connect until it is enabled again, and its backups stay. One that is removed goes with all its backups after a while.
client-is-disabled = Disabled since { $since }: the client can't connect. Its backups stay.
client-is-removed = { $count ->
    [0] Removed since { $since }. The client goes for good in the first cleanup after { $until }.
    [one] Removed since { $since }. The client goes for good, with its backup, in the first cleanup after { $until }.
   *[other] Removed since { $since }. The client goes for good, with its { $shown } backups, in the first cleanup after { $until }.
}
client-remove-ask = Remove this client?
client-remove-about = { $count ->
    [0] It can't connect any more from now on. It has no backups.
    [one] It can't connect any more from now on, and its backup goes with it.
   *[other] It can't connect any more from now on, and its { $shown } backups go with it.
}
client-remove-kept = Before that it can be taken back with all it has, for as long as the setting removed_keep says ({ $keep }).
client-remove-kept-unknown = Before that it can be taken back with all it has, for as long as the setting removed_keep says.
client-remove-go = Remove


freeing = Free space
freeing-about = What would go if a storage had to have more free space: in which order, and what that frees.
freeing-amount = How much more
freeing-unit = Unit
freeing-no-amount = That is no amount.
freeing-enough = { $count ->
    [0] Nothing has to go for { $wanted } more.
    [one] One backup would go for { $wanted } more.
   *[other] { $shown } backups would go for { $wanted } more.
}
freeing-not-enough = { $count ->
    [0] There is no backup that may go, so { $wanted } more can't be had.
    [one] The one backup that may go does not free { $wanted }.
   *[other] All { $shown } backups that may go do not free { $wanted }.
}
freeing-frees = Together they free { $freed }.
freeing-frees-unknown = Nobody knows at the moment how much that frees.
freeing-would-go = What would go
freeing-place = No.
freeing-nothing-done = Nothing is deleted here. Backups go by the rules of retention, for a client's quota, when a storage gets too full, or when somebody deletes them.

forecast-grows = Grows by { $bytes } a day.
forecast-stays = Does not grow.
forecast-shrinks = Shrinks by { $bytes } a day.
forecast-full-days = { $count ->
    [0] Full within a day ({ $date })
    [one] Full in about 1 day ({ $date })
   *[other] Full in about { $count } days ({ $date })
}
forecast-full-weeks = Full in about { $count } weeks ({ $date })
forecast-full-months = Full in about { $count } months ({ $date })
forecast-soon = Soon full

overview-verified = Last verification
overview-none-verified = None of late.
