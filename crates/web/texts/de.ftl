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
list-newest = Neueste
list-older = Ältere

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
kind-publish = Virtueller Datenträger
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
    [one] Eine Sache braucht Ihre Aufmerksamkeit.
   *[other] { $count } Sachen brauchen Ihre Aufmerksamkeit.
}
overview-no-clients = Noch wird kein Rechner gesichert.
overview-conditions = Clients nach Zustand
overview-needs = Was Ihre Aufmerksamkeit braucht
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
activity-pause = Anhalten
activity-resume = Fortsetzen
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

add-about = Ein Client ist ein Rechner, der gesichert wird. Er meldet sich mit einem Token an, das der Installer mitbringt.
add-name = Name
add-name-hint = Buchstaben, Ziffern, Punkte, Binde- und Unterstriche, etwa laptop-anna. Leer: Der Rechner meldet sich unter seinem eigenen Namen an.
add-uses = Wie viele Rechner
add-uses-hint = Mehrere können sich nur unter ihren eigenen Namen anmelden.
add-days = Gültig
add-days-1 = einen Tag
add-days-7 = eine Woche
add-days-30 = 30 Tage
add-sources = Was gesichert wird
add-sources-hint = Ein Verzeichnis je Zeile. Leer: /etc, /home, /root, /srv und /usr/local. Auf dem Rechner lässt es sich in /etc/perennial/client.toml ändern.
add-go = Installer erstellen
add-under-own-name = Rechner unter ihren eigenen Namen
add-one-line = Führen Sie dies auf dem Rechner aus. Es installiert den Client, meldet ihn an und startet ihn:
add-one-line-hint = Für Linux, mit curl. Es fragt nach dem Passwort des Administrators, wenn das nötig ist.
add-download = Oder laden Sie einen Installer herunter
add-form-sh = Shell-Skript
add-form-deb = Paket für Debian, Ubuntu
add-form-rpm = Paket für Fedora, openSUSE
add-download-hint = Das Skript wird als root mit „sh“ ausgeführt; --help zeigt, was es kann. Ein Paket ist für die Art von Prozessor, die dieser Server hat; sein Client meldet sich von selbst an.
add-by-hand = Oder melden Sie ein Programm an, das schon da ist
add-by-hand-hint = Führen Sie es als root aus. Was gesichert wird, steht dann in /etc/perennial/client.toml.
add-until = Es läuft ab
add-wait = Was sich angemeldet hat, erscheint unter
add-once = Es wird nur dieses eine Mal gezeigt. Wer es hat, kann sich anmelden: Behalten Sie es für sich.

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
storage-saved = Alle Sicherungen sind für sich { $size } groß und belegen { $taken }: { $percent } % sind durch das gespart, was sie gemeinsam haben.
health = Zustand
health-sound = Heil
health-nothing-damaged = Von Schäden ist nichts bekannt.
health-damaged = Beschädigt
health-damaged-files = { $count ->
    [one] Eine Datei einer Sicherung ist nicht so, wie sie geschrieben wurde.
   *[other] { $shown } Dateien von Sicherungen sind nicht so, wie sie geschrieben wurden.
}
health-backup = Sicherung
health-file = Datei
health-found = Gefunden
health-more = { $count ->
    [one] Und eine weitere.
   *[other] Und { $count } weitere.
}
health-mends = Was beschädigt ist, wird aus einer gleichen Datei oder aus der nächsten Sicherung des Clients repariert, sobald es eine gibt.
health-checks = Letzte Prüfungen
health-no-checks = Noch wurde keine Sicherung geprüft.
health-checked = { $backups ->
    [one] eine Sicherung, { $read } gelesen
   *[other] { $shown } Sicherungen, { $read } gelesen
}
health-found-damaged = { $count ->
    [one] eine beschädigt
   *[other] { $count } beschädigt
}
health-mended = { $count ->
    [one] eine Datei repariert
   *[other] { $count } Dateien repariert
}
health-check-due = Fälliges prüfen
health-check-everything = Alles prüfen
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
browse-image = Diese Sicherung enthält ganze Volumes. Die Dateien darauf finden Sie über ihre Datenträger:
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
settings-ignored = Zählt nicht:
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
right-purge = Seine Sicherungen endgültig löschen, am Papierkorb vorbei oder aus ihm heraus; ihn mit allen seinen Sicherungen entfernen und zurückholen
right-enrol = Tokens zum Anmelden unter seinem Namen ausstellen, ihn ausschließen, deaktivieren und aktivieren; für alles vergeben, auch für neue Clients. Wer das darf, kann an die Stelle des Clients treten und seine Sicherungen lesen
right-status = Version, Speicher und Platz des Servers sehen, und was die Selbstprüfung findet
right-groups = Gruppen anlegen und Clients hineintun, was auch bestimmt, wer Rechte an ihnen hat
right-storage = Aufräumen, planen, was aufgegeben wird, den Speicher reparieren, seinen Index neu aufbauen
right-notify = Sehen und ändern, wem der Server sagt, was geschieht
right-audit = Das Änderungsprotokoll lesen und das Protokoll des Servers verfolgen
right-users = Benutzer, Rollen, API-Tokens und Sitzungen verwalten; wer das darf, kann sich jedes andere Recht verschaffen

month-1 = Januar
month-2 = Februar
month-3 = März
month-4 = April
month-5 = Mai
month-6 = Juni
month-7 = Juli
month-8 = August
month-9 = September
month-10 = Oktober
month-11 = November
month-12 = Dezember
weekday-1 = Montag
weekday-2 = Dienstag
weekday-3 = Mittwoch
weekday-4 = Donnerstag
weekday-5 = Freitag
weekday-6 = Samstag
weekday-7 = Sonntag
weekday-short-1 = Mo
weekday-short-2 = Di
weekday-short-3 = Mi
weekday-short-4 = Do
weekday-short-5 = Fr
weekday-short-6 = Sa
weekday-short-7 = So

chart-figures = Die Zahlen
chart-when = Wann
sizes = Größen im Lauf der Zeit
sizes-period = Wie weit zurück
sizes-month = 30 Tage
sizes-quarter = 90 Tage
sizes-year = Ein Jahr
sizes-all = Alles
sizes-too-few = Noch gibt es zu wenig zu vergleichen: Gemessen wird einmal am Tag.
sizes-taken = Was der Client belegt
sizes-taken-about = „Größe“ ist, was das Wiederherstellen aller seiner Sicherungen schreiben würde.
sizes-by-client = Was jeder Client belegt
sizes-by-client-about = Was frei würde, wenn alle Sicherungen eines Clients gelöscht würden. Was Clients gemeinsam haben, ist nicht dabei.
sizes-others = Alle anderen
sizes-backups = Größe jeder Sicherung
sizes-transferred-day = Übertragen pro Tag
sizes-transferred-week = Übertragen pro Woche
sizes-transferred-month = Übertragen pro Monat

calendar = Kalender
calendar-years = Jahre
calendar-months = Monate
calendar-earlier = Früher
calendar-later = Später
calendar-more = { $count } weitere am { $day }
calendar-problems = Mit Problemen
calendar-damaged = Beschädigt
client-all-backups = Alle Sicherungen ({ $count })
backups-list = Liste
backups-all-days = Alle Tage zeigen
backups-fine = Ohne Probleme
backups-problems = Mit Problemen
backups-damaged = Beschädigt
backups-kept = Archiviert oder festgehalten

tabs-of-storage = Speicher, Aufbewahrung, Papierkorb
tabs-storage = Speicher
tabs-retention = Aufbewahrung
tabs-trash = Papierkorb

retention = Was gelöscht wird
retention-link = Was gelöscht wird
retention-client = Client
retention-all = Alle Clients
retention-when = Wann
retention-days-0 = Jetzt
retention-days-7 = In den nächsten 7 Tagen
retention-days-30 = In den nächsten 30 Tagen
retention-days-365 = In den nächsten 365 Tagen
retention-expected = Neue Sicherungen mitrechnen
retention-expected-about = Als würde weiter pünktlich gesichert. Auf das, was jetzt gelöscht würde, hat das keinen Einfluss.
retention-show = Zeigen
retention-goes-now = { $count ->
    [0] Ein Aufräumen würde jetzt keine Sicherung löschen.
    [one] Ein Aufräumen würde jetzt eine Sicherung löschen.
   *[other] Ein Aufräumen würde jetzt { $shown } Sicherungen löschen.
}
retention-goes = { $count ->
    [0] In dieser Zeit wird keine Sicherung gelöscht.
    [one] In dieser Zeit wird eine Sicherung gelöscht.
   *[other] In dieser Zeit werden { $shown } Sicherungen gelöscht.
}
retention-not-made = { $count ->
    [one] Eine davon gibt es noch nicht.
   *[other] { $shown } davon gibt es noch nicht.
}
retention-frees = Ohne diejenigen, die es schon gibt, wären { $bytes } mehr frei, sobald sie auch aus dem Papierkorb verschwunden sind.
retention-frees-unknown = Wie viel Platz dadurch frei würde, weiß im Moment niemand.
retention-leaving = Was gelöscht wird
retention-staying = Was bleibt
retention-nothing-goes = Nichts wird gelöscht.
retention-to-come = noch nicht gemacht
retention-head-backup = Sicherung
retention-head-kind = Art
retention-head-made = Gemacht
retention-head-goes = Wird gelöscht
retention-head-why = Warum
retention-head-stays-why = Warum sie bleibt
retention-besides = Ein Aufräumen sorgt außerdem dafür, dass Clients ihre Kontingente einhalten, und leert den Papierkorb von allem, dessen Zeit um ist.
retention-rules = Einstellungen zur Aufbewahrung
retention-cleanup = Jetzt aufräumen
cleanup-ask = Jetzt aufräumen?
cleanup-about = Dabei geschieht dasselbe wie beim nächtlichen Aufräumen: Was die Regeln nicht mehr behalten, wird gelöscht, der Papierkorb von allem geleert, dessen Zeit um ist, für die Kontingente der Clients gesorgt, und alte Aufträge und Änderungen werden vergessen. Was nach den Regeln gelöscht wird, kommt in den Papierkorb.
cleanup-go = Aufräumen

trash = Papierkorb
trash-about = Gelöschte Sicherungen bleiben hier eine Weile, solange der Platz reicht. Bis sie endgültig verschwinden, können Sie sie zurückholen.
trash-find = Client
trash-empty = Der Papierkorb ist leer.
trash-backup = Sicherung
trash-made = Gemacht
trash-size = Größe
trash-deleted = Gelöscht
trash-until = Verschwindet endgültig
trash-restore = Zurückholen
trash-delete = Endgültig löschen
trash-ask = Diese Sicherung endgültig löschen?
trash-delete-about = Sie wurde am { $made } gemacht. Ist sie gelöscht, kann niemand sie zurückholen.
trash-delete-go = Endgültig löschen

week-open = offen
week-closed = geschlossen
week-label = Woche für
week-help = Ziehen Sie über Stunden, um sie zu öffnen oder zu schließen. Mit der Tastatur: Pfeiltasten bewegen, Umschalt markiert mehrere, Leertaste malt.
week-palette = Malen mit
week-inexact = Der Text enthält Zeiten, die nicht auf volle Stunden fallen; die Woche zeigt nur, wie jede Stunde beginnt. Der Text bleibt, wie er ist, solange Sie nicht malen.
week-unreadable = Dieser Text lässt sich nicht als Woche zeigen.

api-title = Schnittstelle für Programme
api-about = Alles, was diese Seiten zeigen und tun, können auch Programme als JSON abrufen und auslösen. Bei jedem Aufruf steht, was er entgegennimmt und was er zurückgibt.
api-cookie = Programme weisen sich mit einem API-Token aus: „Authorization: Bearer TOKEN“. Aufrufe, die nur lesen, können Sie hier mit Ihrer Anmeldung ausprobieren.
api-document = Beschreibung als OpenAPI
api-parameters = Parameter
api-body = Inhalt der Anfrage
api-fields = Felder
api-kind = Typ
api-meaning = Bedeutung
api-messages = Nachrichten
api-answer = Antwortet mit
api-lines = Antwortet mit einzelnen Zeilen, sobald es etwas gibt; jede ist vom Typ
api-content = Antwortet mit dem Inhalt der Datei.
api-try = Ausprobieren

pick-download = Ausgewähltes herunterladen, ohne Auswahl den ganzen Ordner, als
pick-as = Als { $format } herunterladen
bring-back = Auf dem Client wiederherstellen …
bring-back-title = Wiederherstellen auf { $client }
bring-back-what = Was wiederhergestellt wird
bring-back-all = Alles in dieser Sicherung.
bring-back-more = { $count ->
    [one] Und ein weiterer Eintrag.
   *[other] Und { $count } weitere.
}
bring-back-where = Wohin
bring-back-original = Dorthin, woher es kam
bring-back-elsewhere = In ein Verzeichnis des Clients
bring-back-target = Dieses Verzeichnis
bring-back-no-target = Sagen Sie, in welches Verzeichnis des Clients es gehen soll, etwa /tmp/restored.
bring-back-existing = Eine Datei, die da ist und anders ist,
bring-back-keep = bleibt, wie sie ist
bring-back-both = bleibt neben der wiederhergestellten erhalten
bring-back-overwrite = wird ersetzt
bring-back-about = Der Client tut das, sobald er verbunden ist. Wenn seine eigenen Einstellungen nichts anderes sagen, bestätigt es vorher jemand auf seinem Rechner: perennial client restores
bring-back-go = Client darum bitten
pick-all = Alle auswählen
pick-one = { $name } auswählen

file-download = Herunterladen
file-download-named = { $name } herunterladen
file-kind = Art
file-target = Führt zu
file-hash = BLAKE3
file-preview = Vorschau
file-empty = Die Datei ist leer.
file-cut = Nur die ersten { $bytes } werden gezeigt.
file-no-preview = Das ist weder Text noch ein Bild, das sich zeigen lässt. Laden Sie die Datei herunter, um hineinzusehen.
file-refused = Sie dürfen nicht lesen, was in den Dateien dieses Clients steht.
file-unreadable = Die Datei lässt sich nicht lesen:
file-versions = Versionen
file-version-changed = Geändert
file-version-size = Größe
file-version-from = Von der Sicherung vom
file-version-to = Bis zur Sicherung vom
file-version-backups = Sicherungen
file-version-do = Damit
file-version-here = diese hier
file-compare = Mit der vorigen vergleichen
file-no-comparison = Nur Texte bis 256 KiB lassen sich Zeile für Zeile vergleichen.
file-back = Zur Datei
file-line = Ab Zeile { $number }:
file-lines-cut = Nur die ersten { $count } Zeilen des Vergleichs werden gezeigt.

entry-file = Datei
entry-volume = Volume
entry-directory = Ordner
entry-symlink = Symbolischer Link
entry-hard-link = Datei (weiterer Name)
entry-fifo = Pipe
entry-character-device = Zeichengerät
entry-block-device = Blockgerät

search-title = Suche
search-label = Name in allen Sicherungen
search-hint = Teil eines Namens, Groß- und Kleinschreibung egal. Mit * oder ? muss der ganze Name so aussehen: *.pdf
search-beneath = Nur im Ordner
search-everywhere = Überall suchen
search-told = { $found } gefunden; { $searched } von { $backups } Sicherungen wurden durchsucht, die neuesten zuerst.
search-cut = Die Suche wurde nach { $seconds } Sekunden beendet. Mit mehr vom Namen oder in einem Ordner geht sie schneller.
search-full = Nur die ersten { $count } werden gezeigt. Mehr vom Namen findet weniger.
search-nothing = Nichts heißt so.
search-results = Gefundenes
search-path = Pfad
search-kind = Art
search-size = Größe
search-time = Geändert
search-backup = Neueste Sicherung damit

command-copy = Kopieren
condition-disabled = Deaktiviert
condition-removed = Entfernt

image-disks = Datenträger
image-no-disks = Das Abbild enthält keine Datenträger.
image-hidden = Sie dürfen nicht sehen, was in diesem Abbild ist.
image-none = Diese Sicherung ist kein Abbild: Sie enthält keine Volumes.
image-bar = Partitionen von { $disk }
image-free = Frei
image-table-none = keine Partitionstabelle
image-table-mbr = MBR
image-table-gpt = GPT
image-table-hybrid = GPT mit hybridem MBR
image-head-partition = Partition
image-head-type = Typ
image-head-start = Anfang
image-head-size = Größe
image-head-file-system = Dateisystem
image-head-used = Belegt
image-head-mounted = Eingehängt in
image-head-still = Stillgehalten durch
image-whole-disk = Ganzer Datenträger
image-left-out = Nicht Teil der Sicherung
image-browse = Dateien ansehen
image-raw = Roh herunterladen
image-restore = Befehle, um diesen Datenträger wiederherzustellen
image-restore-about = Wiederhergestellt wird mit dem Programm perennial, und zwar dort, wo der Datenträger ist. Setzen Sie statt /dev/sdX das Gerät ein, auf das geschrieben werden soll: Alles darauf geht verloren.
image-restore-client = Auf dem Client, als root, auf einen Datenträger:
image-restore-server = Auf dem Rechner des Servers, in eine Datei:
image-use = Befehle, um diesen Datenträger zu nutzen, ohne ihn wiederherzustellen
image-use-about = Sie laufen auf dem Rechner des Servers.
image-export = Einen virtuellen Datenträger daraus machen; welchen, sagt --format oder die Endung des Dateinamens:
image-serve = Ihn über NBD bereitstellen, bis zum Strg-C:
image-mount = Ein Volume nur lesbar einhängen, als root:
published = Virtuelle Datenträger zum Herunterladen
published-none = Aus den Abbildern dieses Clients wurde keiner gemacht.
published-making = { $what } wird gerade gemacht. Schauen Sie hier wieder nach.
published-failed = { $what } konnte nicht gemacht werden:
published-make = Einen virtuellen Datenträger machen
published-make-about = Er wird auf dem Server gemacht und kann dann heruntergeladen werden, von allen, die Sicherungen dieses Clients wiederherstellen dürfen. Nach einiger Zeit verschwindet er von selbst; die Sicherung bleibt, wie sie ist.
published-of = Von
published-as = Format
published-go = Machen
published-format-vhdx = VHDX (Hyper-V, Windows)
published-format-vhd = VHD, dynamisch (Windows, VirtualBox)
published-format-vhd-fixed = VHD, fest (Azure)
published-format-qcow2 = qcow2 (QEMU, KVM)
published-format-raw = Roh
published-head-file = Datei
published-head-image = Abbild
published-head-size = Größe
published-head-written = Braucht
published-head-made = Gemacht
published-head-goes = Verschwindet
published-head-place = Auf dem Server
published-head-do = Aktion
published-remove = Entfernen
published-remove-ask = Diesen virtuellen Datenträger entfernen?
published-remove-about = Die Sicherung, aus der er gemacht ist, bleibt. Solange es sie gibt, kann er wieder gemacht werden.
published-remove-go = Entfernen

partition-efi = EFI-System
partition-bios-boot = BIOS-Start
partition-windows-reserved = Microsoft-reserviert
partition-windows-data = Windows-Daten
partition-windows-recovery = Windows-Wiederherstellung
partition-windows-dynamic = Windows, dynamischer Datenträger
partition-windows-spaces = Windows-Speicherplätze
partition-linux = Linux
partition-linux-root = Linux, Wurzel
partition-linux-home = Linux, Benutzerverzeichnisse
partition-linux-server-data = Linux, Serverdaten
partition-linux-boot = Linux, Start
partition-linux-swap = Linux, Auslagerung
partition-linux-lvm = Linux-LVM
partition-linux-raid = Linux-RAID
partition-linux-encrypted = Linux, verschlüsselt
partition-apple-apfs = Apple APFS
partition-apple-hfs = Apple HFS+
partition-zfs = ZFS
partition-fat = FAT
partition-fat32 = FAT32
partition-extended = Erweitert
partition-protective = Schützend, vor einer GPT

tabs-of-changes = Änderungen, Protokoll
tabs-changes = Änderungen
tabs-log = Protokoll

log = Das Protokoll des Servers
log-level = Schwere
log-error = Fehler
log-warning = Warnungen
log-info = Übliches
log-debug = Alles
log-one-error = Fehler:
log-one-warning = Warnung:
log-all = Alle Clients
log-none = Davon wurde seit dem Start des Servers nichts geschrieben.
log-pause = Anhalten
log-about = Die neuesten Zeilen seit dem Start des Servers; jeder Filter zeigt auch, was schlimmer ist. Was der Server überhaupt protokolliert, wird bei seinem Start festgelegt.

client-disable = Deaktivieren
client-enable = Aktivieren
client-remove = Entfernen
client-take-back = Zurückholen
client-barring = Umbenennen, deaktivieren oder entfernen
client-shown-as = Angezeigt als
client-rename = Umbenennen
client-rename-about = Das sehen Menschen. Befehle, der Speicher und das Zertifikat des Clients behalten { $name }.
client-barring-about = Ein deaktivierter Client kann sich nicht verbinden, bis er wieder aktiviert wird; seine Sicherungen bleiben. Ein entfernter geht nach einer Weile mit allen seinen Sicherungen.
client-is-disabled = Deaktiviert seit { $since }: Der Client kann sich nicht verbinden. Seine Sicherungen bleiben.
client-is-removed = { $count ->
    [0] Entfernt seit { $since }. Der Client geht endgültig beim ersten Aufräumen nach { $until }.
    [one] Entfernt seit { $since }. Der Client geht endgültig, mit seiner Sicherung, beim ersten Aufräumen nach { $until }.
   *[other] Entfernt seit { $since }. Der Client geht endgültig, mit seinen { $shown } Sicherungen, beim ersten Aufräumen nach { $until }.
}
client-remove-ask = Diesen Client entfernen?
client-remove-about = { $count ->
    [0] Er kann sich ab sofort nicht mehr verbinden. Sicherungen hat er keine.
    [one] Er kann sich ab sofort nicht mehr verbinden, und seine Sicherung geht mit ihm.
   *[other] Er kann sich ab sofort nicht mehr verbinden, und seine { $shown } Sicherungen gehen mit ihm.
}
client-remove-kept = Vorher lässt er sich mit allem zurückholen, solange es die Einstellung removed_keep vorsieht ({ $keep }).
client-remove-kept-unknown = Vorher lässt er sich mit allem zurückholen, solange es die Einstellung removed_keep vorsieht.
client-remove-go = Entfernen


freeing = Platz schaffen
freeing-about = Was gehen müsste, wenn ein Speicher mehr freien Platz brauchte: in welcher Reihenfolge, und wie viel dadurch frei würde.
freeing-amount = Wie viel mehr
freeing-unit = Einheit
freeing-no-amount = Das ist keine Menge.
freeing-enough = { $count ->
    [0] Für { $wanted } mehr muss nichts gehen.
    [one] Für { $wanted } mehr müsste eine Sicherung gehen.
   *[other] Für { $wanted } mehr müssten { $shown } Sicherungen gehen.
}
freeing-not-enough = { $count ->
    [0] Keine Sicherung darf gehen, also lassen sich keine { $wanted } mehr schaffen.
    [one] Die eine Sicherung, die gehen darf, gibt keine { $wanted } frei.
   *[other] Alle { $shown } Sicherungen, die gehen dürfen, geben zusammen keine { $wanted } frei.
}
freeing-frees = Zusammen würden { $freed } frei.
freeing-frees-unknown = Wie viel dadurch frei würde, weiß im Moment niemand.
freeing-would-go = Was gehen müsste
freeing-place = Nr.
freeing-nothing-done = Hier wird nichts gelöscht. Sicherungen gehen nach den Regeln der Aufbewahrung, wegen des Kontingents eines Clients, wenn ein Speicher zu voll wird, oder wenn jemand sie löscht.

forecast-grows = Wächst um { $bytes } am Tag.
forecast-stays = Wächst nicht.
forecast-shrinks = Schrumpft um { $bytes } am Tag.
forecast-full-days = { $count ->
    [0] Voll binnen eines Tages ({ $date })
    [one] Voll in etwa 1 Tag ({ $date })
   *[other] Voll in etwa { $count } Tagen ({ $date })
}
forecast-full-weeks = Voll in etwa { $count } Wochen ({ $date })
forecast-full-months = Voll in etwa { $count } Monaten ({ $date })
forecast-soon = Bald voll

overview-verified = Letzte Überprüfung
overview-none-verified = In letzter Zeit keine.
