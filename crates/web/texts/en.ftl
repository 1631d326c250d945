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

add-about = A client is a computer that is backed up. Give it a name; it gets a token with which it joins once.
add-name = Name
add-name-hint = Letters, digits, dots, dashes and underscores, such as laptop-anna.
add-go = Make a token
add-install = Install Perennial on the computer.
add-run = Run there:
add-wait = It appears under
add-once = The token works once, within a day. It is shown this once.

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
account-no-totp = No second factor is asked for. Set one up with: perennial users totp begin
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
browse-image = This backup holds whole volumes. The files within them are not shown here; this command lists them:
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
