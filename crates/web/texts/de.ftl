# Die Texte der Weboberfläche auf Deutsch: dieselben wie in texts/en.ftl, in derselben Reihenfolge.

menu = Menü
menu-overview = Überblick
menu-activity = Aktivität
menu-clients = Clients
menu-storage = Speicher
menu-changes = Änderungen
menu-account = Ihr Konto
skip-to-content = Zum Inhalt springen
save = Speichern
copied = Kopiert

log-in = Anmelden
log-out = Abmelden
log-in-user = Benutzer
log-in-password = Passwort
log-in-code = Code
log-in-code-hint = Aus Ihrer App, oder ein Wiederherstellungscode. Geben Sie das Passwort noch einmal ein.

welcome = Willkommen
welcome-about = Bei diesem Server kann sich noch niemand anmelden. Sie sind sein erster Benutzer und dürfen alles.
welcome-code = Einmalcode
welcome-code-hint = Der Server hat ihn beim Start genannt: Er steht in seinem Protokoll, und auf seinem Rechner zeigt ihn:
welcome-user = Ihr Name
welcome-password = Passwort
welcome-again = Passwort noch einmal
welcome-differ = Die beiden Passwörter sind verschieden.
welcome-go = Einrichten

failure-home = Zum Überblick
failure-elsewhere = Diese Anfrage kam von einer anderen Website; es wurde nichts getan.
failure-stale = Die Seite war veraltet; es wurde nichts getan. Gehen Sie zurück, laden Sie sie neu und versuchen Sie es noch einmal.
failure-not-found = Hier ist nichts.
failure-refused = Das dürfen Sie nicht.
failure-invalid = Das geht nicht.
failure-unavailable = Das geht im Moment nicht.
failure-internal = Etwas ist schiefgegangen. Das Protokoll des Servers sagt mehr.

span-seconds = { $first } s
span-minutes = { $first } min { $second } s
span-hours = { $first } h { $second } min
span-days = { $first } d { $second } h

time-now = jetzt
time-ago-minutes = { $count ->
    [one] vor 1 Minute
   *[other] vor { $count } Minuten
}
time-ago-hours = { $count ->
    [one] vor 1 Stunde
   *[other] vor { $count } Stunden
}
time-ago-days = { $count ->
    [one] vor 1 Tag
   *[other] vor { $count } Tagen
}
time-ahead-minutes = { $count ->
    [one] in 1 Minute
   *[other] in { $count } Minuten
}
time-ahead-hours = { $count ->
    [one] in 1 Stunde
   *[other] in { $count } Stunden
}
time-ahead-days = { $count ->
    [one] in 1 Tag
   *[other] in { $count } Tagen
}

list-filter = Nur zeigen
list-all = Alle
list-search = Suchen
list-pager = Seiten
list-pages = Seite { $page } von { $last } · { $count } insgesamt
list-previous = Zurück
list-next = Weiter

condition-failing = Scheitert
condition-late = Überfällig
condition-never = Noch keine Sicherung
condition-fine = In Ordnung
condition-paused = Pausiert
condition-off = Aus
condition-revoked = Gesperrt

kind-file-backup = Dateien
kind-image-backup = Abbild
kind-restore = Wiederherstellung
kind-verify = Überprüfung
kind-delete = Löschung
kind-cleanup = Aufräumen
kind-repair = Reparatur
kind-rebuild-index = Neuaufbau des Index
kind-move = Umzug
kind-check = Prüfung
mode-full = voll
mode-incremental = inkrementell

job-queued = Wartet
job-running = Läuft
job-paused = Pausiert
job-done = Fertig
job-failed = Gescheitert
job-cancelled = Abgebrochen
job-interrupted = Unterbrochen

overview-fine = Alles ist in Ordnung.
overview-wrong = { $count ->
    [one] Eine Sache braucht Sie.
   *[other] { $count } Sachen brauchen Sie.
}
overview-no-clients = Noch wird kein Rechner gesichert.
overview-conditions = Clients nach Zustand
overview-needs = Was Sie braucht
overview-more = { $count ->
    [one] und eine weitere
   *[other] und { $count } weitere
}
overview-server = Der Server
overview-running = Läuft gerade
overview-all-activity = Alle Aktivität
overview-room = Platz
overview-all-storage = Der ganze Speicher

trouble-backup-failed = Sicherungen scheitern
trouble-client-late = Sicherungen fehlen
trouble-client-never = wurde noch nie gesichert
trouble-backup-problems = die letzte Sicherung hatte Probleme
trouble-verification-failed = Sicherungen sind beschädigt
trouble-space-low = der Platz wird knapp
trouble-space-out = es ist kein Platz mehr da
trouble-backups-given-up = aus Platzmangel wurden Sicherungen aufgegeben
trouble-cleanup-failed = das Aufräumen ist gescheitert
trouble-storage-missing = ein Speicher ist nicht da
trouble-catalog-not-copied = der Katalog wird nicht kopiert

activity-running = Läuft
activity-waiting = Wartet
activity-past = Verlauf
activity-find = Client oder Art
activity-nothing = Keine Aufträge.
activity-nothing-runs = Im Moment läuft nichts.
activity-its-turn = bis er an der Reihe ist
activity-what = Auftrag
activity-state = Zustand
activity-ended = Beendet
activity-took = Dauer
activity-began = Begonnen
activity-rest = noch { $time }
activity-client = Client
activity-subject = Betrifft
activity-reason = Warum
activity-waits = Wartet auf
activity-log = Protokoll
activity-no-log = Es wurde nichts protokolliert.
activity-cancel = Abbrechen
activity-retry = Noch einmal versuchen

clients-add = Client hinzufügen
clients-find = Name, Gruppe oder System
clients-none = Keine Clients.
clients-name = Client
clients-state = Zustand
clients-newest = Letzte Sicherung
clients-backups = Sicherungen
clients-seen = Zuletzt gesehen
clients-online = verbunden

add-about = Ein Client ist ein Rechner, der gesichert wird. Geben Sie ihm einen Namen; er bekommt ein Token, mit dem er sich einmal anmeldet.
add-name = Name
add-name-hint = Buchstaben, Ziffern, Punkte, Binde- und Unterstriche, etwa laptop-anna.
add-go = Token ausstellen
add-install = Installieren Sie Perennial auf dem Rechner.
add-run = Führen Sie dort aus:
add-wait = Er erscheint unter
add-once = Das Token gilt einmal, binnen eines Tages. Es wird nur dieses eine Mal gezeigt.

client-system = System
client-version = Version
client-group = Gruppe
client-enrolled = Dabei seit
client-what = Was gesichert wird
client-start = Jetzt sichern
client-not-there = Der Client ist nicht verbunden.
client-pause = Einen Tag pausieren
client-resume = Fortsetzen
client-next = Nächste Sicherungen
client-backups = Sicherungen
client-no-backups = Noch keine Sicherungen.

start-files = Dateien
start-files-full = Dateien, alles neu gelesen
start-image = Abbild
start-image-full = Abbild, alles neu gelesen

next-kind = Art
next-last = Letzte
next-begins = Nächste
next-why = Warum

backup-made = Gemacht
backup-kind = Art
backup-files = Dateien
backup-size = Größe
backup-sent = Übertragen
backup-state = Zustand
backup-problems = { $count ->
    [one] 1 Problem
   *[other] { $count } Probleme
}
backup-archived = Archiviert
backup-held = Festgehalten
backup-verified = Geprüft
backup-damaged = Beschädigt

storage-free = { $free } von { $total } frei
storage-absent = Nicht da
storage-counts = { $clients ->
    [one] 1 Client
   *[other] { $clients } Clients
}, { $backups } Sicherungen
storage-usage = Was Clients belegen
storage-usage-hint = „Wird frei“ ist, was frei würde, wenn alle Sicherungen des Clients gelöscht würden; „geteilt“ ist, was sie mit Sicherungen anderer gemeinsam haben.
storage-nothing = Es ist noch nichts gezählt.
usage-client = Client
usage-backups = Sicherungen
usage-size = Größe
usage-freed = Wird frei
usage-shared = Geteilt

changes-find = Wer, was oder wessen
changes-none = Keine Änderungen.
changes-when = Wann
changes-who = Wer
changes-what = Was
changes-subject = Woran
changes-detail = Wie

account-may = Was Sie dürfen
account-nothing = Noch nichts: Fragen Sie einen Administrator.
account-everything = alles
account-group = Gruppe
account-client = Client
account-totp = Ein zweiter Faktor wird verlangt.
account-no-totp = Kein zweiter Faktor wird verlangt.
account-look = Sprache und Aussehen
account-language = Sprache
account-theme = Farben
theme-device = Wie das Gerät
theme-light = Hell
theme-dark = Dunkel
account-sessions = Wo Sie angemeldet sind
session-since = Seit
session-used = Zuletzt benutzt
session-from = Von
session-with = Mit
session-this = hier

backup-way = Wo Sie sind
backup-look = Dateien ansehen
backup-verify = Jetzt prüfen
backup-delete = Löschen
backup-started = Begonnen
backup-ended = Beendet
backup-took = Dauer
backup-base = Aufgesetzt auf
backup-directories = Ordner
backup-new = Neu gespeichert
backup-freed = Wird frei, wenn gelöscht
backup-shared = Mit anderen gemeinsam
backup-uncounted = Nicht bekannt: Es wird noch gezählt, oder das Dateisystem sagt es nicht.
backup-verification = Überprüfung
backup-never-verified = Nie geprüft
backup-keeping = Wie lange sie bleibt
backup-by-rules = Die Regeln der Aufbewahrung bestimmen, wie lange sie bleibt.
backup-archived-until = Archiviert bis { $until } ({ $who }).
backup-archived-for-ever = Für immer archiviert ({ $who }).
backup-held-for = Festgehalten, niemand kann sie löschen: { $reason }
backup-archive-month = Einen Monat archivieren
backup-archive-year = Ein Jahr archivieren
backup-archive-for-ever = Für immer archivieren
backup-unarchive = Nicht mehr archivieren
backup-hold = Festhalten
backup-hold-reason = Grund, sie festzuhalten
backup-release = Freigeben
backup-sources = Quellen
backup-source-name = Quelle
backup-source-path = Pfad auf dem Client
backup-source-still = Stillgehalten durch
backup-source-none = nichts: Dateien können sich währenddessen geändert haben
backup-damage = Beschädigte Dateien
backup-problem-list = Probleme
backup-problem-path = Datei
backup-problem-kind = Art
backup-problem-message = Was geschah
backup-problems-hidden = Sie dürfen nicht sehen, welche Dateien Probleme hatten.
backup-delete-ask = Diese Sicherung löschen?
backup-delete-frees = { $bytes } würden frei, sobald sie den Papierkorb verlassen hat; der Rest ihres Inhalts ist auch in anderen Sicherungen.
backup-delete-unknown = Wie viel Platz frei würde, ist noch nicht bekannt.
backup-delete-trash = Sie kommt in den Papierkorb, wo die Einstellungen sie eine Weile behalten. So lange lässt sie sich zurückholen.
backup-delete-kept = Sie ist archiviert oder festgehalten und kann nicht gelöscht werden.
backup-delete-go = In den Papierkorb
backup-delete-no = Behalten

browse-all = Dateien
browse-find = Teil eines Namens
browse-empty = Hier ist nichts drin.
browse-nothing-found = Kein Name hier enthält das.
browse-capped = Nur die ersten { $count } lassen sich durchblättern. Suchen Sie nach einem Teil des Namens, um die anderen zu finden.
browse-image = Diese Sicherung enthält ganze Volumes. Die Dateien darin werden hier nicht gezeigt; dieser Befehl listet sie auf:
browse-name = Name
browse-size = Größe
browse-time = Geändert
browse-mode = Rechte
browse-owner = Besitzer

compare = Was sich geändert hat
compare-from = Seit
compare-to = Bis
compare-go = Vergleichen
compare-none-other = Der Client hat keine andere Sicherung dieser Art.
compare-added = Neu
compare-removed = Entfernt
compare-content = Inhalt geändert
compare-metadata = Nur Attribute geändert
compare-growth = Größenänderung
compare-find = Teil eines Pfads
compare-capped = Nur die ersten { $count } davon lassen sich durchblättern. Suchen Sie nach einem Teil des Pfads, um die anderen zu finden.
compare-nothing = Es gibt keine Unterschiede.
compare-path = Pfad
compare-what = Was
compare-before = Vorher
compare-after = Nachher

menu-settings = Einstellungen

tabs = Einstellungen, Gruppen, Benachrichtigungen
tabs-settings = Einstellungen
tabs-groups = Gruppen
tabs-notifications = Benachrichtigungen

settings-of-all = Einstellungen für alle Clients
settings-of-group = Einstellungen der Gruppe { $name }
settings-of-client = Einstellungen von { $name }
settings-about-server = Sie gelten für jeden Client, solange für seine Gruppe oder ihn selbst nichts anderes gesetzt ist.
settings-about-group = Sie gelten für die Clients dieser Gruppe, solange für einen davon nichts anderes gesetzt ist. Was hier nicht gesetzt ist, ist wie für alle.
settings-about-client = Sie gelten für diesen Client allein. Was hier nicht gesetzt ist, ist wie für seine Gruppe oder wie für alle.
settings-layers = Wo Sie sind
settings-find = Wort oder Schlüssel
settings-none = Keine Einstellung enthält das.
settings-section-schedule = Wann gesichert wird
settings-section-limits = Wie viel auf einmal
settings-section-retention = Was bleibt
settings-section-images = Abbilder
settings-section-storages = Speicher
settings-section-alerts = Was gemeldet wird
settings-section-permissions = Wer was darf
settings-set-here = hier gesetzt
settings-by-default = Vorgabe
settings-by-start = Startkonfiguration des Servers ({ $origin })
settings-by-server = für alle Clients gesetzt
settings-by-group = für die Gruppe { $origin } gesetzt
settings-by-client = für den Client { $origin } gesetzt
settings-by-user = vom Benutzer des Clients gesetzt
settings-from-otherwise = { $from }; sonst { $value }
settings-overruled = Das letzte Wort hat hier der Benutzer des Clients.
settings-besides = außerdem:
settings-ignored = Zählt nicht: { $why }
settings-change = Ändern
settings-value = Neuer Wert
settings-how = Gelten soll er
settings-replace = statt dessen, was vorher gesetzt ist
settings-add = neben dem, was vorher gesetzt ist
settings-unset = Hier nicht mehr setzen
settings-only-all = Sie lässt sich nur für alle Clients setzen.
settings-only-groups = Sie lässt sich nicht für einen Client setzen, nur für Gruppen und für alle.
settings-fixed = Sie ist durch die Startkonfiguration des Servers festgelegt und lässt sich hier nicht ändern.

groups-about = Eine Gruppe ist für Clients, die Einstellungen gemeinsam haben oder von denselben Leuten betreut werden. Ein Client ist in höchstens einer Gruppe.
groups-none = Keine Gruppen.
groups-new = Neue Gruppe
groups-name = Name
groups-name-hint = Buchstaben, Ziffern, Leerzeichen, Binde- und Unterstriche und Punkte.
groups-create = Anlegen
groups-rename = Umbenennen
groups-delete = Löschen
groups-empty = Kein Client ist in dieser Gruppe.
groups-move = Andere Gruppe
groups-move-go = Verschieben
groups-take-out = Herausnehmen
groups-add = Einen Client aufnehmen
groups-add-go = Aufnehmen
groups-one = Ein Client, der in einer anderen Gruppe ist, verlässt diese.
groups-delete-ask = Diese Gruppe löschen?
groups-delete-about = { $count ->
    [0] Kein Client ist in ihr. Ihre Einstellungen gehen mit ihr, und die Rechte, die Leute für sie haben.
    [one] Ein Client wird in keiner Gruppe sein. Die Einstellungen der Gruppe gehen mit ihr, und die Rechte, die Leute für sie haben.
   *[other] { $count } Clients werden in keiner Gruppe sein. Die Einstellungen der Gruppe gehen mit ihr, und die Rechte, die Leute für sie haben.
}
groups-delete-go = Gruppe löschen

channels = Kanäle
channels-add = Kanal hinzufügen
channels-none = Noch erfährt niemand etwas.
channels-name = Kanal
channels-to = An
channels-tells = Meldet
channels-of = Von
channels-last = Letzte Nachricht
channels-do = Aktionen
channels-except = aber nicht:
channels-report = Bericht { $day } um { $hour }
channels-report-failures = Bericht { $day } um { $hour }, nur wenn etwas gescheitert ist
channels-of-all = allen Clients und dem Server
channels-waiting = { $count ->
    [one] 1 Nachricht wartet
   *[other] { $count } Nachrichten warten
}
channels-test = Testen
channels-test-again = Noch einmal testen
channels-test-of = Test von { $name }
channels-tested = Die Nachricht wurde zugestellt.
channels-test-failed = Die Nachricht wurde nicht oder nicht allen zugestellt:
channels-edit = Bearbeiten
channels-remove = Entfernen
channels-remove-ask = Diesen Kanal entfernen?
channels-remove-about = { $count ->
    [0] Über ihn erfährt niemand mehr etwas.
    [one] Über ihn erfährt niemand mehr etwas. Eine Nachricht, die auf ihn wartet, geht mit.
   *[other] Über ihn erfährt niemand mehr etwas. { $count } Nachrichten, die auf ihn warten, gehen mit.
}
channels-back = Zu den Kanälen

carrier-mail = E-Mail
carrier-webhook = Webhook
carrier-ping = Ping
carrier-json = JSON für ein Programm
carrier-slack = Slack
carrier-discord = Discord
carrier-ntfy = ntfy
carrier-gotify = Gotify

tell-failures = Fehler
tell-warnings = Fehler und Warnungen
tell-all = alles, auch jede Sicherung
tell-nothing = nichts als Berichte
tell-pings = Anfang und Ende jeder Sicherung
event-backup-made = eine Sicherung wurde gemacht
day-daily = täglich
day-monday = montags
day-tuesday = dienstags
day-wednesday = mittwochs
day-thursday = donnerstags
day-friday = freitags
day-saturday = samstags
day-sunday = sonntags

channel-way = Wie Nachrichten gehen
channel-audience = Wer was erfährt
channel-stays = Was hier leer bleibt, bleibt, wie es ist. Passwörter und Adressen werden nie wieder gezeigt.
channel-name = Name des Kanals
channel-recipients = Empfänger, mit Kommas dazwischen
channel-from = Absender
channel-host = Mailserver
channel-security = Verschlüsselung
channel-security-tls = TLS von Anfang an
channel-security-starttls = STARTTLS
channel-security-plain = keine
channel-port = Port, falls nicht der übliche
channel-user = Benutzer, falls der Server eine Anmeldung will
channel-secret = Passwort oder Token
channel-secret-webhook = Ein Token für ntfy und Gotify, der Schlüssel einer Signatur für JSON; nichts für Slack und Discord.
channel-forget-secret = Passwort oder Token vergessen
channel-form = Form
channel-url = Adresse
channel-ping-about = Die Adresse einer Überwachung, die Alarm schlägt, wenn kein Ping kommt.
channel-tell = Meldet
channel-except = Aber nicht
channel-report-on = Bericht
channel-no-report = keiner
channel-report-hour = Stunde des Berichts
channel-report-only-failures = Bericht nur, wenn etwas gescheitert ist
channel-clients = Nur von diesen Clients, mit Kommas dazwischen
channel-groups = Nur von diesen Gruppen, mit Kommas dazwischen
channel-scope-hint = Sind beide leer, meldet er von allen Clients und vom Server selbst.

outbox = Nachrichten
outbox-find = Kanal oder Text
outbox-none = Keine Nachrichten.
outbox-waiting = Wartet
outbox-delivered = Zugestellt
outbox-given-up = Aufgegeben
outbox-message = Nachricht
outbox-channel = Kanal
outbox-state = Zustand
outbox-queued = Seit
outbox-failures = Fehlversuche
outbox-next = nächster Versuch
client-settings = Einstellungen

yes = Ja
no = Nein
question-no = Abbrechen
menu-users = Benutzer
account-proofs = Passwort und zweiter Faktor
account-recovery-codes = { $count ->
    [one] 1 Wiederherstellungscode ist übrig.
   *[other] { $count } Wiederherstellungscodes sind übrig.
}
done-password = Das Passwort ist geändert, und alle anderen Sitzungen sind beendet.
done-second-factor-removed = Es wird kein zweiter Faktor mehr verlangt.

password-title = Neues Passwort setzen
password-current = Bisheriges Passwort
password-new = Neues Passwort
password-again = Neues Passwort noch einmal
password-hint = Mindestens 10 Zeichen. Alle anderen Sitzungen enden.
password-go = Setzen

factor-title = Zweiter Faktor
factor-password = Ihr Passwort
factor-begin = Zweiten Faktor einrichten
factor-begin-about = Beim Anmelden werden Sie dann auch nach einem Code gefragt, den eine App auf Ihrem Telefon alle 30 Sekunden neu erzeugt.
factor-remove = Zweiten Faktor entfernen
factor-remove-about = Ein zweiter Faktor wird verlangt. Ohne ihn genügt zum Anmelden allein das Passwort.
factor-remove-ask = Den zweiten Faktor entfernen?
factor-remove-others = So helfen Sie, wenn Telefon und Wiederherstellungscodes verloren sind. Danach genügt zum Anmelden allein das Passwort.
factor-scan = Scannen Sie dies mit einer App für Codes.
factor-qr = QR-Code des Geheimnisses für eine App
factor-type = Oder tippen Sie das Geheimnis ab:
factor-open = In einer App auf diesem Gerät öffnen
factor-address = Die Adresse mit allem
factor-code = Code, den die App zeigt
factor-confirm = Bestätigen
factor-anew = Mit einem anderen Geheimnis neu beginnen
factor-done = Von nun an werden Codes verlangt.
factor-recovery = Bewahren Sie diese Wiederherstellungscodes dort auf, wo nur Sie sie finden. Jeder gilt einmal anstelle eines Codes, und sie werden nur dieses eine Mal gezeigt.
factor-kept = Ich habe es sicher aufbewahrt

session-none = Niemand ist angemeldet.
session-end = Beenden

tokens = API-Tokens
token-about = Mit einem Token kommt ein Skript herein, im Namen seines Benutzers. Es darf, was dieser darf, und davon nur, worauf es beschränkt ist. Sein Konto ändern kann es nicht.
token-make = Token ausstellen
token-none = Es gibt keine.
token-name = Name
token-rights = Rechte
token-for = Für
token-used = Zuletzt benutzt
token-expires = Läuft ab
token-unlimited = alle des Benutzers
token-nobody = niemanden mehr
token-never = nie
token-expired = abgelaufen
token-revoke = Widerrufen
token-limit-rights = Was es darf
token-rights-all = Alles, was sein Benutzer darf
token-rights-these = Nur dies:
token-limit-scopes = Für wen
token-scopes-all = Für alle, für die sein Benutzer darf
token-scopes-these = Nur für diese:
token-no-rights = Kreuzen Sie die Rechte an, auf die das Token beschränkt ist.
token-no-scopes = Kreuzen Sie die Gruppen und Clients an, auf die das Token beschränkt ist.
token-valid = Wie lange es gilt
token-valid-month = 30 Tage
token-valid-year = Ein Jahr
token-valid-for-ever = Bis es widerrufen wird
token-go = Ausstellen
token-made = Das Token
token-once = Kopieren Sie es jetzt: Es wird nur dieses eine Mal gezeigt.
token-until = Es gilt bis { $until }.
token-no-end = Es läuft nicht ab: Widerrufen Sie es, wenn es nicht mehr gebraucht wird.

access-groups = Gruppen
access-clients = Clients
access-rights = Rechte
access-needs-everything = zählt nur, wenn die Rolle für alles vergeben ist
access-name-hint = Kleine Buchstaben, Ziffern, Punkte, Binde- und Unterstriche und @.

users-find = Name oder Rolle
users-none = Keine Benutzer.
users-name = Name
users-state = Zustand
users-factor = Zweiter Faktor
users-last = Letzte Anmeldung
users-sessions = Sitzungen
users-tokens = Tokens
user-active = Aktiv
user-disabled = Deaktiviert
user-locked-out = Ausgesperrt
user-tokens-only = Nur mit Tokens
user-add = Benutzer hinzufügen
user-password-hint = Mindestens 10 Zeichen. Lassen Sie es leer, wenn der Benutzer nur mit API-Tokens hereinkommen soll.
user-added = Hinzugefügt
user-locked-until = Ausgesperrt bis
user-unlock = Entsperren
user-enable = Aktivieren
user-disable = Deaktivieren
user-remove = Entfernen
user-remove-ask = Diesen Benutzer entfernen?
user-remove-about = Seine Sitzungen und API-Tokens enden sofort, und der Name kann neu vergeben werden. Auch wer nur deaktiviert ist, kommt nicht herein, kann aber wieder eingelassen werden.
user-own = Das sind Sie. Alles Weitere steht unter:
user-sessions = Wo der Benutzer angemeldet ist
user-may = Was der Benutzer darf
user-may-nothing = Noch nichts.
grant-role = Rolle
grant-scope = Für
grant-add = Vergeben
grant-revoke = Entziehen
grant-roles = Was jede Rolle erlaubt

roles = Rollen
role-name = Name
role-built-in = eingebaut
role-make = Rolle anlegen
role-delete = Löschen
role-delete-ask = Diese Rolle löschen?
role-delete-about = Nur eine Rolle, die niemand hat, lässt sich löschen.
role-glossary = Was die Rechte bedeuten
role-glossary-about = Die meisten gelten für die Clients, für die eine Rolle vergeben ist. Wer users, groups oder enrol für alles hat, kann sich alles andere verschaffen.
role-administrator = Darf alles, wofür die Rolle vergeben ist
role-operator = Hält Sicherungen am Laufen; sieht keine Inhalte, löscht nichts und ändert keine Einstellungen
role-restorer = Sieht in Sicherungen hinein und lässt sich Dateien zurückgeben
role-viewer = Sieht, wie Sicherungen stehen und warum sie scheitern, und ändert nichts
right-see = Den Client sehen, seine Sicherungen mit ihrer Größe, seine Aufträge und Einstellungen, und was wann gemacht und gelöscht wird
right-logs = Die Protokolle seiner Aufträge lesen und die Probleme seiner Sicherungen, in denen Dateien genannt sind
right-browse = Namen, Größen und Zeiten der Dateien in seinen Sicherungen sehen
right-restore = Den Inhalt seiner Dateien bekommen
right-start-incremental-file = Eine inkrementelle Dateisicherung starten
right-start-full-file = Eine volle Dateisicherung starten
right-start-incremental-image = Eine inkrementelle Abbildsicherung starten
right-start-full-image = Eine volle Abbildsicherung starten
right-verify = Seine Sicherungen prüfen lassen
right-pause = Seine geplanten Sicherungen ruhen lassen und fortsetzen
right-jobs = Seine Aufträge anhalten, fortsetzen und abbrechen
right-settings = Seine Einstellungen ändern; die einer Gruppe, wenn die Rolle für die Gruppe vergeben ist, die des Servers, wenn für alles
right-protect = Seine Sicherungen archivieren, festhalten und wieder freigeben
right-delete = Seine Sicherungen in den Papierkorb löschen und zurückholen
right-purge = Seine Sicherungen endgültig löschen, am Papierkorb vorbei oder aus ihm heraus
right-enrol = Tokens zum Anmelden unter seinem Namen ausstellen und ihn ausschließen; für alles vergeben, auch für neue Clients. Wer das darf, kann an die Stelle des Clients treten und seine Sicherungen lesen
right-status = Version, Speicher und Platz des Servers sehen, und was die Selbstprüfung findet
right-groups = Gruppen anlegen und Clients hineintun, was auch bestimmt, wer Rechte an ihnen hat
right-storage = Aufräumen, den Speicher reparieren, seinen Index neu aufbauen
right-notify = Sehen und ändern, wem der Server sagt, was geschieht
right-audit = Das Änderungsprotokoll lesen
right-users = Benutzer, Rollen, API-Tokens und Sitzungen verwalten; wer das darf, kann sich jedes andere Recht verschaffen
