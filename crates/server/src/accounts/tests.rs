//! Users from their first password to their last token, with a clock that the test sets.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use catalog::{ChangeFilter, RoleGrant, Scope, UserState};
use jiff::tz::TimeZone;
use policy::access::{Right, Subject};
use policy::settings::{Action, Layer, LayerOfSettings, Layers, Said};

use super::*;
use crate::error::Error;

const START_MS: i64 = 1_800_000_000_000;
const MINUTE_MS: i64 = 60_000;
const HOUR_MS: i64 = 60 * MINUTE_MS;
const PASSWORD: &str = "correct horse";
const CHEAP: PasswordCost = PasswordCost {
    memory_kib: 8,
    passes: 1,
    lanes: 1,
};

/// The users of a catalog in a directory of its own.
struct House {
    accounts: Accounts,
    now_ms: Arc<AtomicI64>,
    rules: ServerRules,
    dir: tempfile::TempDir,
}

impl House {
    /// A house with the user `anna`.
    fn with_anna() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Arc::new(Catalog::create_or_open(dir.path()).unwrap());
        let now_ms = Arc::new(AtomicI64::new(START_MS));
        let house = Self {
            accounts: Accounts::new(catalog, clock(&now_ms), CHEAP),
            now_ms,
            rules: ServerRules::of(&Layers::default().resolve()),
            dir,
        };
        house.accounts.add_user("anna", Some(PASSWORD)).unwrap();
        house
    }

    /// The same house after a restart, where passwords cost this.
    fn restarted(self, cost: PasswordCost) -> Self {
        let Self {
            accounts,
            now_ms,
            rules,
            dir,
        } = self;
        drop(accounts);
        let catalog = Arc::new(Catalog::open(dir.path()).unwrap());
        Self {
            accounts: Accounts::new(catalog, clock(&now_ms), cost),
            now_ms,
            rules,
            dir,
        }
    }

    fn pass(&self, ms: i64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn try_from(&self, address: &str, user: &str, password: &str, code: Option<&str>) -> Result<LogInEnd> {
        let attempt = Attempt {
            user: user.to_owned(),
            password: password.to_owned(),
            code: code.map(str::to_owned),
            address: address.parse::<IpAddr>().unwrap(),
            program: "test".to_owned(),
        };
        self.accounts.log_in(&self.rules, &attempt)
    }

    fn try_it(&self, user: &str, password: &str) -> Result<LogInEnd> {
        self.try_from("203.0.113.9", user, password, None)
    }

    /// Logs in, and returns the session's token.
    fn log_in(&self, code: Option<&str>) -> String {
        token(self.try_from("203.0.113.9", "anna", PASSWORD, code).unwrap())
    }

    fn who(&self, token: &str) -> Result<Principal> {
        self.accounts.authenticate(&self.rules, token)
    }

    /// Why a token is refused.
    fn why(&self, token: &str) -> String {
        self.who(token).unwrap_err().to_string()
    }

    fn grant(&self, role: &str, scope: Scope) {
        let role = role.to_owned();
        self.accounts.grant("anna", &RoleGrant { role, scope }).unwrap();
    }

    fn api_token(&self, rights: Option<&[Right]>, valid: Option<Duration>) -> String {
        let asked = NewToken {
            name: "ci".to_owned(),
            rights: rights.map(|rights| rights.iter().copied().collect::<BTreeSet<_>>()),
            scopes: None,
            valid,
        };
        self.accounts.create_api_token("anna", asked).unwrap().token
    }

    /// Gives anna a second factor; returns its secret and her recovery codes.
    fn with_second_factor(&self) -> (Vec<u8>, Vec<String>) {
        self.accounts.begin_totp("anna").unwrap();
        let secret = self.accounts.catalog.user("anna").unwrap().totp.unwrap().secret;
        let code = totp::code_at(&secret, self.now());
        let codes = self.accounts.confirm_totp("anna", &code).unwrap();
        (secret, codes)
    }

    fn now(&self) -> i64 {
        self.now_ms.load(Ordering::Relaxed)
    }

    /// What the audit log has, the newest first: what was done, by whom, to whom, how.
    fn noted(&self) -> Vec<[String; 4]> {
        let changes = self.accounts.catalog.changes(&ChangeFilter::default()).unwrap();
        let noted = changes
            .into_iter()
            .map(|recorded| recorded.change)
            .map(|change| [change.action, change.who, change.subject, change.detail]);
        noted.collect()
    }
}

fn clock(now_ms: &Arc<AtomicI64>) -> Clock {
    let now_ms = now_ms.clone();
    Clock::of(TimeZone::UTC, move || {
        jiff::Timestamp::from_millisecond(now_ms.load(Ordering::Relaxed)).unwrap()
    })
}

fn token(end: LogInEnd) -> String {
    match end {
        LogInEnd::LoggedIn { token, .. } => token,
        LogInEnd::CodeNeeded => panic!("a code is needed"),
    }
}

#[test]
fn a_log_in_gives_a_token_that_stands_for_the_user() {
    let house = House::with_anna();
    house.grant("viewer", Scope::Everything);
    let token = token(house.try_it(" Anna ", PASSWORD).unwrap());
    let anna = house.who(&token).unwrap();
    assert_eq!((anna.user.as_str(), anna.who().as_str()), ("anna", "user anna"));
    assert!(anna.may(Right::See, Subject::Server).is_ok());
    assert!(anna.may(Right::Delete, Subject::Server).is_err());
    assert!(house.who(&format!("{token}x")).is_err());
    let noted = &house.noted()[0];
    assert_eq!(noted[..3], ["log-in", "user anna", "user anna"]);
}

#[test]
fn wrong_passwords_and_unknown_users_are_told_the_same_and_noted() {
    let house = House::with_anna();
    house.accounts.add_user("script", None).unwrap();
    for (user, password) in [
        ("anna", "wrong horse"),
        ("anna", ""),
        ("bert", PASSWORD),
        ("script", ""),
        ("no name!", PASSWORD),
    ] {
        let failed = house.try_it(user, password).err().unwrap();
        assert!(matches!(failed, Error::LogInFailed), "{user}: {failed}");
    }
    let noted = house.noted();
    let of = |at: usize| {
        [
            noted[at][1].as_str(),
            noted[at][2].as_str(),
            noted[at][3].as_str(),
        ]
    };
    assert_eq!(
        of(4),
        ["somebody", "user anna", "a wrong password"],
        "the first failure"
    );
    // What can't be a name may be a password.
    assert_eq!(of(0)[1], "what is no user's name");
    // A user who is not there is looked at as one who is.
    let decoy = house.accounts.decoy.get().unwrap();
    let hash = house
        .accounts
        .catalog
        .user("anna")
        .unwrap()
        .password_hash
        .unwrap();
    let cost = |hash: &str| hash.split('$').nth(3).unwrap().to_owned();
    assert_eq!(cost(decoy), cost(&hash));
}

#[test]
fn a_hash_of_another_cost_is_made_anew_at_the_log_in() {
    let house = House::with_anna();
    let hash = |house: &House| {
        house
            .accounts
            .catalog
            .user("anna")
            .unwrap()
            .password_hash
            .unwrap()
    };
    let before = hash(&house);
    house.log_in(None);
    assert_eq!(hash(&house), before);
    let house = house.restarted(PasswordCost { passes: 2, ..CHEAP });
    assert!(house.try_it("anna", "wrong horse").is_err());
    assert_eq!(hash(&house), before);
    house.log_in(None);
    assert!(hash(&house).contains("t=2"), "{}", hash(&house));
    house.log_in(None);
}

#[test]
fn guesses_are_locked_out_over_a_restart_and_the_user_is_not() {
    let house = House::with_anna();
    let attacker = "198.51.100.7";
    for _ in 0..5 {
        let failed = house.try_from(attacker, "anna", "a guess", None).err().unwrap();
        assert!(matches!(failed, Error::LogInFailed), "{failed}");
    }
    let noted = &house.noted()[0];
    assert_eq!(
        noted[3],
        "a wrong password; the user is locked out there for 1 min"
    );
    let house = house.restarted(CHEAP);
    // Also the right password is not looked at, and nothing is noted.
    let locked = house.try_from(attacker, "anna", PASSWORD, None).err().unwrap();
    assert_eq!(
        locked.to_string(),
        "too many log-ins of this user have failed from here; try again in 1 min"
    );
    assert_eq!(house.noted().len(), 5);
    house.log_in(None);
    house.pass(MINUTE_MS);
    assert!(matches!(
        house.try_from(attacker, "anna", "a guess", None),
        Err(Error::LogInFailed)
    ));
    house.pass(MINUTE_MS);
    let locked = house.try_from(attacker, "anna", PASSWORD, None).err().unwrap();
    assert!(
        locked.to_string().ends_with("try again in 1 min"),
        "it was doubled: {locked}"
    );
    assert_eq!(house.accounts.catalog.unlock_log_ins("anna").unwrap(), 3);
    house.try_from(attacker, "anna", PASSWORD, None).unwrap();
}

#[test]
fn a_second_factor_is_asked_for_once_it_is_proven() {
    let house = House::with_anna();
    house.accounts.begin_totp("anna").unwrap();
    house.log_in(None);
    assert!(house.accounts.confirm_totp("anna", "000000").is_err());
    let (secret, _) = house.with_second_factor();
    assert!(matches!(house.try_it("anna", PASSWORD), Ok(LogInEnd::CodeNeeded)));
    assert!(matches!(house.try_it("anna", "wrong"), Err(Error::LogInFailed)));
    let wrong = house.try_from("203.0.113.9", "anna", PASSWORD, Some("12345"));
    assert!(matches!(wrong, Err(Error::LogInFailed)));
    assert!(house.accounts.begin_totp("anna").is_err(), "it is in use");
    // The code that has proven it is used up.
    let code = totp::code_at(&secret, house.now());
    let spent = house.try_from("203.0.113.9", "anna", PASSWORD, Some(&code));
    assert!(matches!(spent, Err(Error::LogInFailed)));
    house.pass(30_000);
    let code = totp::code_at(&secret, house.now());
    house.log_in(Some(&format!("{} {}", &code[..3], &code[3..])));
    let again = house.try_from("203.0.113.9", "anna", PASSWORD, Some(&code));
    assert!(matches!(again, Err(Error::LogInFailed)), "a code works once");
}

#[test]
fn a_recovery_code_works_once() {
    let house = House::with_anna();
    let (_, codes) = house.with_second_factor();
    assert_eq!(codes.len(), 10);
    assert!(
        codes
            .iter()
            .all(|code| code.len() == 19 && code.matches('-').count() == 3),
        "{codes:?}"
    );
    house.log_in(Some(&codes[0].to_uppercase()));
    let again = house.try_from("203.0.113.9", "anna", PASSWORD, Some(&codes[0]));
    assert!(matches!(again, Err(Error::LogInFailed)));
    house.log_in(Some(&codes[1].replace('-', "")));
    assert_eq!(house.accounts.catalog.user("anna").unwrap().recovery_codes, 8);
}

#[test]
fn a_session_ends_when_it_is_not_used_and_in_any_case() {
    let house = House::with_anna();
    let idle = house.log_in(None);
    house.pass(8 * HOUR_MS - 1);
    house.who(&idle).unwrap();
    house.pass(8 * HOUR_MS - 1);
    house.who(&idle).unwrap();
    house.pass(8 * HOUR_MS);
    assert_eq!(house.why(&idle), "the session has ended; log in again");
    let busy = house.log_in(None);
    for _ in 0..7 * 24 - 1 {
        house.pass(HOUR_MS);
        house.who(&busy).unwrap();
    }
    house.pass(HOUR_MS);
    assert_eq!(house.why(&busy), "the session has ended; log in again");
    house.pass(1);
    house.accounts.prune(&house.rules).unwrap();
    assert_eq!(house.accounts.catalog.sessions(None).unwrap(), []);
}

#[test]
fn settings_say_when_sessions_end() {
    let mut house = House::with_anna();
    let said = |text: &str| Said {
        action: Action::Set,
        text: text.to_owned(),
        origin: "test".to_owned(),
    };
    let layer: LayerOfSettings = [("session_idle".to_owned(), said("1min"))].into_iter().collect();
    house.rules = ServerRules::of(&Layers::default().with(Layer::Server, layer).resolve());
    let token = house.log_in(None);
    for _ in 0..5 {
        house.pass(40_000);
        house.who(&token).unwrap();
    }
    house.pass(MINUTE_MS);
    assert!(house.who(&token).is_err());
}

#[test]
fn an_api_token_expires_is_limited_and_says_when_it_was_used() {
    let house = House::with_anna();
    house.grant("administrator", Scope::Everything);
    let token = house.api_token(Some(&[Right::See]), Some(Duration::from_secs(3600)));
    let ci = house.who(&token).unwrap();
    assert_eq!(ci.who(), "user anna, token ci");
    assert!(ci.may(Right::See, Subject::Server).is_ok());
    assert!(ci.may(Right::Users, Subject::Server).is_err());
    let used = || house.accounts.catalog.api_tokens(None).unwrap()[0].last_used_ms;
    assert_eq!(used(), Some(START_MS));
    house.pass(MINUTE_MS);
    house.who(&token).unwrap();
    assert_eq!(used(), Some(START_MS), "not each call writes to the catalog");
    house.pass(1);
    house.who(&token).unwrap();
    assert_eq!(used(), Some(START_MS + MINUTE_MS + 1));
    house.pass(HOUR_MS);
    assert_eq!(house.why(&token), "the API token has expired");
}

#[test]
fn what_a_user_loses_his_tokens_lose_at_once() {
    let house = House::with_anna();
    house.grant("viewer", Scope::Everything);
    let (session, token) = (house.log_in(None), house.api_token(None, None));
    let standing = house.who(&token).unwrap();
    let viewer = RoleGrant {
        role: "viewer".to_owned(),
        scope: Scope::Everything,
    };
    let catalog = &house.accounts.catalog;
    catalog.revoke_grant("anna", &viewer).unwrap();
    for token in [&session, &token] {
        assert!(house.who(token).unwrap().has(Right::See).is_err());
    }
    let renewed = house.accounts.renew(&house.rules, &standing).unwrap();
    assert!(renewed.has(Right::See).is_err());
    catalog.set_user_state("anna", UserState::Disabled).unwrap();
    assert_eq!(house.why(&token), "the user is disabled");
    assert_eq!(house.why(&session), "the session has ended; log in again");
    assert!(house.accounts.renew(&house.rules, &standing).is_err());
    let failed = house.try_it("anna", PASSWORD);
    assert!(matches!(failed, Err(Error::LogInFailed)));
    catalog.set_user_state("anna", UserState::Active).unwrap();
    house.who(&token).unwrap();
    catalog.revoke_api_token("anna", "ci").unwrap();
    assert!(
        house
            .why(&token)
            .starts_with("this server does not know the API token")
    );
}

#[test]
fn another_password_ends_the_other_sessions() {
    let house = House::with_anna();
    let (one, two) = (house.log_in(None), house.log_in(None));
    let kept = house.who(&one).unwrap().session();
    assert!(house.accounts.set_password("anna", "short", kept).is_err());
    house
        .accounts
        .set_password("anna", "another horse", kept)
        .unwrap();
    house.who(&one).unwrap();
    assert!(house.who(&two).is_err());
    assert!(house.try_it("anna", PASSWORD).is_err());
    house.try_it("anna", "another horse").unwrap();
}

#[test]
fn a_password_that_is_asked_for_again_can_be_guessed_no_more_often() {
    let house = House::with_anna();
    let address: IpAddr = "203.0.113.9".parse().unwrap();
    let confirm = |password: &str| {
        let password = password.to_owned();
        house
            .accounts
            .confirm_password(&house.rules, "anna", password, address)
    };
    confirm(PASSWORD).unwrap();
    for _ in 0..5 {
        assert!(matches!(confirm("a guess"), Err(Error::LogInFailed)));
    }
    assert!(matches!(confirm(PASSWORD), Err(Error::LockedOut { .. })));
}

#[test]
fn names_and_roles_are_checked() {
    let house = House::with_anna();
    for name in ["", "Anna", "-x", "a b", "ä", &"a".repeat(65)] {
        assert!(
            matches!(house.accounts.add_user(name, None), Err(Error::Invalid { .. })),
            "{name:?}"
        );
    }
    house.accounts.add_user("anna.b@example.org", None).unwrap();
    let nobody = RoleGrant {
        role: "nothing".to_owned(),
        scope: Scope::Everything,
    };
    assert!(house.accounts.grant("anna", &nobody).is_err());
    let rights: BTreeSet<_> = [Right::See, Right::Restore].into();
    house.accounts.create_role("helpdesk", &rights).unwrap();
    for taken in ["helpdesk", "viewer"] {
        assert!(house.accounts.create_role(taken, &rights).is_err(), "{taken}");
    }
    assert!(house.accounts.create_role("empty", &BTreeSet::new()).is_err());
    assert!(house.accounts.delete_role("viewer").is_err());
    house.grant("helpdesk", Scope::Everything);
    let anna = house.who(&house.log_in(None)).unwrap();
    assert!(anna.has(Right::Restore).is_ok());
    assert!(anna.has(Right::Browse).is_err());
}

#[test]
fn the_last_who_can_manage_users_stays() {
    let house = House::with_anna();
    let accounts = &house.accounts;
    let administrator = RoleGrant {
        role: "administrator".to_owned(),
        scope: Scope::Everything,
    };
    accounts.check_not_last("anna", None).unwrap();
    house.grant("administrator", Scope::Everything);
    house.grant("viewer", Scope::Everything);
    let is_kept = |grant: Option<&RoleGrant>| matches!(accounts.check_not_last("anna", grant), Err(Error::LastManager { user }) if user == "anna");
    assert!(is_kept(None) && is_kept(Some(&administrator)));
    let viewer = RoleGrant {
        role: "viewer".to_owned(),
        scope: Scope::Everything,
    };
    accounts.check_not_last("anna", Some(&viewer)).unwrap();
    accounts.add_user("bert", None).unwrap();
    accounts.check_not_last("bert", None).unwrap();
    accounts.grant("bert", &administrator).unwrap();
    accounts.check_not_last("anna", None).unwrap();
    accounts
        .catalog
        .set_user_state("bert", UserState::Disabled)
        .unwrap();
    assert!(is_kept(None), "who is disabled manages nobody");
}
