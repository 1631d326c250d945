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
account-no-totp = Kein zweiter Faktor wird verlangt. Einrichten mit: perennial users totp begin
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
