//! The service for users: logging in, one's own account, and managing those of others.
//!
//! What is about oneself needs the session of a log-in: an API token is not to make another that may do more. All else needs the right
//! `users`.

mod convert;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use catalog::UserState;
use policy::access::Right;
use tonic::{Request, Response, Status};
use wire::v1::accounts_server::Accounts;
use wire::v1::log_in_reply::End;
use wire::v1::{
    AddUserReply, AddUserRequest, AskSetUpReply, AskSetUpRequest, BeginTotpReply, BeginTotpRequest,
    CodeNeeded, ConfirmTotpReply, ConfirmTotpRequest, CreateApiTokenReply, CreateApiTokenRequest,
    CreateRoleReply, CreateRoleRequest, DeleteRoleReply, EndSessionReply, EndSessionRequest,
    ListApiTokensReply, ListApiTokensRequest, ListRolesReply, ListRolesRequest, ListSessionsReply,
    ListSessionsRequest, ListUsersReply, ListUsersRequest, LogInReply, LogInRequest, LogOutReply,
    LogOutRequest, LoggedIn, RemoveTotpReply, RemoveTotpRequest, RemoveUserReply, RevokeApiTokenReply,
    RevokeApiTokenRequest, RoleGrantReply, RoleGrantRequest, RoleRef, SetPasswordReply, SetPasswordRequest,
    SetUpRequest, SetUserStateReply, SetUserStateRequest, UnlockUserReply, UserRef, WhoAmIReply,
    WhoAmIRequest,
};

use crate::accounts::{Attempt, FirstUser, LogInEnd, Principal};
use crate::audit;
use crate::caller::Caller;
use crate::core::Core;
use crate::error::Error;
use crate::services::access::{actor_of, address_of, caller_of};
use crate::services::reply::blocking;
use crate::trust::Peer;

/// Answers all that is about users.
pub struct Service {
    core: Arc<Core>,
}

/// Whose account a call is about.
enum Whose {
    /// That of the user who calls, with his session.
    Own(Arc<Principal>),
    /// That of another, whom the caller may manage.
    Others(String),
}

impl Whose {
    fn user(&self) -> &str {
        match self {
            Self::Own(principal) => &principal.user,
            Self::Others(name) => name,
        }
    }
}

/// How a log-in ended, as it is told.
fn logged_in(end: LogInEnd) -> LogInReply {
    let end = match end {
        LogInEnd::CodeNeeded => End::CodeNeeded(CodeNeeded {}),
        LogInEnd::LoggedIn {
            user,
            token,
            expires_ms,
        } => End::LoggedIn(LoggedIn {
            user,
            token,
            expires_ms,
        }),
    };
    LogInReply { end: Some(end) }
}

impl Service {
    /// Lets nobody but the administrator on the server's machine take away the last who can manage users.
    fn check_not_last<T>(
        &self,
        request: &Request<T>,
        user: &str,
        grant: Option<&catalog::RoleGrant>,
    ) -> Result<(), Status> {
        match caller_of(request)? {
            Caller::Admin => Ok(()),
            Caller::Client(_) | Caller::User(_) => Ok(self.core.accounts.check_not_last(user, grant)?),
        }
    }

    /// Creates the service.
    pub fn new(core: Arc<Core>) -> Self {
        Self { core }
    }

    /// Refuses whoever may not manage users.
    fn check<T>(&self, request: &Request<T>) -> Result<(), Status> {
        Ok(caller_of(request)?.may(&self.core, Right::Users)?)
    }

    /// Whose account is meant; an empty name is the caller's own.
    fn whose(&self, caller: &Caller, named: &str) -> Result<Whose, Status> {
        if let Caller::User(principal) = caller
            && (named.is_empty() || named == principal.user)
        {
            if principal.session().is_some() {
                return Ok(Whose::Own(principal.clone()));
            }
            // With the right to manage users it would be reached anyway.
            if caller.may(&self.core, Right::Users).is_err() {
                return Err(Status::permission_denied(
                    "an API token can't change the account that it belongs to: log in with the password",
                ));
            }
            return Ok(Whose::Others(principal.user.clone()));
        }
        if named.is_empty() {
            return Err(Status::invalid_argument("name the user"));
        }
        caller.may(&self.core, Right::Users)?;
        Ok(Whose::Others(named.to_owned()))
    }

    /// Refuses whoever acts for himself and does not know his password.
    async fn confirm(&self, whose: &Whose, password: String, address: IpAddr) -> Result<(), Status> {
        let Whose::Own(principal) = whose else {
            return Ok(());
        };
        if password.is_empty() {
            return Err(Status::invalid_argument("give the password that holds so far"));
        }
        let (core, user) = (self.core.clone(), principal.user.clone());
        let rules = core.policies.server();
        let _place = self.core.accounts.queue()?;
        blocking(move || core.accounts.confirm_password(&rules, &user, password, address)).await
    }

    fn note<T>(&self, request: &Request<T>, action: &str, user: &str, detail: &str) -> Result<(), Status> {
        let actor = actor_of(request)?;
        audit::note(&self.core, &actor, action, &format!("user {user}"), detail);
        Ok(())
    }
}

/// From where a request came; this machine where it came over the administration socket.
fn ip_of<T>(request: &Request<T>) -> IpAddr {
    address_of(request).map_or(Ipv4Addr::LOCALHOST.into(), |address| address.ip())
}

#[tonic::async_trait]
impl Accounts for Service {
    async fn log_in(&self, request: Request<LogInRequest>) -> Result<Response<LogInReply>, Status> {
        let address = ip_of(&request);
        let asked = request.into_inner();
        let attempt = Attempt {
            user: asked.user,
            password: asked.password,
            code: Some(asked.code).filter(|code| !code.trim().is_empty()),
            address,
            program: asked.program,
        };
        let core = self.core.clone();
        let rules = core.policies.server();
        let _place = self.core.accounts.queue()?;
        let end = blocking(move || core.accounts.log_in(&rules, &attempt)).await?;
        Ok(Response::new(logged_in(end)))
    }

    async fn ask_set_up(&self, request: Request<AskSetUpRequest>) -> Result<Response<AskSetUpReply>, Status> {
        let code = self.core.accounts.set_up_code()?;
        let is_here = matches!(request.extensions().get::<Peer>(), Some(Peer::Admin));
        Ok(Response::new(AskSetUpReply {
            is_awaited: code.is_some(),
            code: code.filter(|_| is_here).unwrap_or_default(),
        }))
    }

    async fn set_up(&self, request: Request<SetUpRequest>) -> Result<Response<LogInReply>, Status> {
        let address = ip_of(&request);
        let asked = request.into_inner();
        let first = FirstUser {
            code: asked.code,
            user: asked.user,
            password: asked.password,
            address,
            program: asked.program,
        };
        let core = self.core.clone();
        let rules = core.policies.server();
        let _place = self.core.accounts.queue()?;
        let end = blocking(move || core.accounts.set_up(&rules, first)).await?;
        Ok(Response::new(logged_in(end)))
    }

    async fn who_am_i(&self, request: Request<WhoAmIRequest>) -> Result<Response<WhoAmIReply>, Status> {
        let caller = caller_of(&request)?;
        let Caller::User(principal) = caller else {
            return Ok(Response::new(WhoAmIReply::default()));
        };
        let user = self.core.catalog.user(&principal.user).map_err(Error::from)?;
        Ok(Response::new(convert::who(&principal, &user)))
    }

    async fn log_out(&self, request: Request<LogOutRequest>) -> Result<Response<LogOutReply>, Status> {
        let Caller::User(principal) = caller_of(&request)? else {
            return Err(Status::failed_precondition("nobody has logged in"));
        };
        let Some(session) = principal.session() else {
            return Err(Status::failed_precondition(
                "an API token has not logged in; revoke it to take it back",
            ));
        };
        self.core.catalog.end_session(session).map_err(Error::from)?;
        self.note(&request, "log-out", &principal.user, "")?;
        Ok(Response::new(LogOutReply {}))
    }

    async fn set_password(
        &self,
        request: Request<SetPasswordRequest>,
    ) -> Result<Response<SetPasswordReply>, Status> {
        let asked = request.get_ref().clone();
        let whose = self.whose(&caller_of(&request)?, &asked.user)?;
        self.confirm(&whose, asked.current, ip_of(&request)).await?;
        let (kept, user) = match &whose {
            Whose::Own(principal) => (principal.session(), principal.user.clone()),
            Whose::Others(name) => (None, name.clone()),
        };
        let core = self.core.clone();
        blocking(move || core.accounts.set_password(&user, &asked.password, kept)).await?;
        self.note(
            &request,
            "password-change",
            whose.user(),
            "all other sessions ended",
        )?;
        Ok(Response::new(SetPasswordReply {}))
    }

    async fn begin_totp(
        &self,
        request: Request<BeginTotpRequest>,
    ) -> Result<Response<BeginTotpReply>, Status> {
        let asked = request.get_ref().clone();
        let whose = self.whose(&caller_of(&request)?, &asked.user)?;
        self.confirm(&whose, asked.password, ip_of(&request)).await?;
        let begun = self.core.accounts.begin_totp(whose.user())?;
        Ok(Response::new(BeginTotpReply {
            uri: begun.uri,
            secret: begun.secret,
        }))
    }

    async fn confirm_totp(
        &self,
        request: Request<ConfirmTotpRequest>,
    ) -> Result<Response<ConfirmTotpReply>, Status> {
        let asked = request.get_ref().clone();
        let whose = self.whose(&caller_of(&request)?, &asked.user)?;
        let recovery_codes = self.core.accounts.confirm_totp(whose.user(), &asked.code)?;
        self.note(&request, "totp-enable", whose.user(), "")?;
        Ok(Response::new(ConfirmTotpReply { recovery_codes }))
    }

    async fn remove_totp(
        &self,
        request: Request<RemoveTotpRequest>,
    ) -> Result<Response<RemoveTotpReply>, Status> {
        let asked = request.get_ref().clone();
        let whose = self.whose(&caller_of(&request)?, &asked.user)?;
        self.confirm(&whose, asked.password, ip_of(&request)).await?;
        self.core.catalog.remove_totp(whose.user()).map_err(Error::from)?;
        self.note(&request, "totp-remove", whose.user(), "")?;
        Ok(Response::new(RemoveTotpReply {}))
    }

    async fn list_sessions(
        &self,
        request: Request<ListSessionsRequest>,
    ) -> Result<Response<ListSessionsReply>, Status> {
        let caller = caller_of(&request)?;
        let asked = request.into_inner();
        let user = match asked.all {
            true => {
                caller.may(&self.core, Right::Users)?;
                None
            }
            false => Some(self.whose(&caller, &asked.user)?.user().to_owned()),
        };
        let sessions = self.core.catalog.sessions(user.as_deref()).map_err(Error::from)?;
        Ok(Response::new(ListSessionsReply {
            sessions: convert::sessions(&self.core, &caller, &sessions),
        }))
    }

    async fn end_session(
        &self,
        request: Request<EndSessionRequest>,
    ) -> Result<Response<EndSessionReply>, Status> {
        let caller = caller_of(&request)?;
        let id = request.get_ref().id;
        let own = match &caller {
            Caller::User(principal) if principal.session().is_some() => Some(principal.user.as_str()),
            _ => None,
        };
        let sessions = self.core.catalog.sessions(None).map_err(Error::from)?;
        let found = sessions
            .into_iter()
            .find(|session| session.id.0.unsigned_abs() == id);
        let is_own = found
            .as_ref()
            .is_some_and(|found| own == Some(found.user.as_str()));
        if !is_own {
            caller.may(&self.core, Right::Users)?;
        }
        let found = found.ok_or_else(|| Status::not_found(format!("there is no session {id}")))?;
        self.core.catalog.end_session(found.id).map_err(Error::from)?;
        self.note(&request, "session-end", &found.user, &format!("session {id}"))?;
        Ok(Response::new(EndSessionReply {}))
    }

    async fn create_api_token(
        &self,
        request: Request<CreateApiTokenRequest>,
    ) -> Result<Response<CreateApiTokenReply>, Status> {
        let asked = request.get_ref().clone();
        let whose = self.whose(&caller_of(&request)?, &asked.user)?;
        let token = convert::new_token(asked.clone())?;
        self.confirm(&whose, asked.password, ip_of(&request)).await?;
        let made = self.core.accounts.create_api_token(whose.user(), token)?;
        let end = match made.expires_ms {
            Some(_) => "it expires",
            None => "it does not expire",
        };
        let detail = format!("token {}; {end}", asked.name);
        self.note(&request, "api-token-create", whose.user(), &detail)?;
        Ok(Response::new(CreateApiTokenReply {
            token: made.token,
            expires_ms: made.expires_ms.unwrap_or_default(),
        }))
    }

    async fn list_api_tokens(
        &self,
        request: Request<ListApiTokensRequest>,
    ) -> Result<Response<ListApiTokensReply>, Status> {
        let caller = caller_of(&request)?;
        let asked = request.into_inner();
        let user = match asked.all {
            true => {
                caller.may(&self.core, Right::Users)?;
                None
            }
            false => Some(self.whose(&caller, &asked.user)?.user().to_owned()),
        };
        let tokens = self
            .core
            .catalog
            .api_tokens(user.as_deref())
            .map_err(Error::from)?;
        Ok(Response::new(ListApiTokensReply {
            tokens: tokens.iter().map(convert::api_token).collect(),
        }))
    }

    async fn revoke_api_token(
        &self,
        request: Request<RevokeApiTokenRequest>,
    ) -> Result<Response<RevokeApiTokenReply>, Status> {
        let asked = request.get_ref().clone();
        let whose = self.whose(&caller_of(&request)?, &asked.user)?;
        let revoked = self.core.catalog.revoke_api_token(whose.user(), &asked.name);
        revoked.map_err(Error::from)?;
        let detail = format!("token {}", asked.name);
        self.note(&request, "api-token-revoke", whose.user(), &detail)?;
        Ok(Response::new(RevokeApiTokenReply {}))
    }

    async fn list_users(
        &self,
        request: Request<ListUsersRequest>,
    ) -> Result<Response<ListUsersReply>, Status> {
        self.check(&request)?;
        let users = convert::users(&self.core)?;
        Ok(Response::new(ListUsersReply { users }))
    }

    async fn add_user(&self, request: Request<AddUserRequest>) -> Result<Response<AddUserReply>, Status> {
        self.check(&request)?;
        let asked = request.get_ref().clone();
        let core = self.core.clone();
        blocking(move || {
            let password = Some(asked.password.as_str()).filter(|password| !password.is_empty());
            core.accounts.add_user(&asked.name, password)
        })
        .await?;
        self.note(&request, "user-add", &request.get_ref().name, "")?;
        Ok(Response::new(AddUserReply {}))
    }

    async fn remove_user(&self, request: Request<UserRef>) -> Result<Response<RemoveUserReply>, Status> {
        self.check(&request)?;
        let name = &request.get_ref().name;
        self.check_not_last(&request, name, None)?;
        self.core.catalog.remove_user(name).map_err(Error::from)?;
        self.note(&request, "user-remove", name, "")?;
        Ok(Response::new(RemoveUserReply {}))
    }

    async fn set_user_state(
        &self,
        request: Request<SetUserStateRequest>,
    ) -> Result<Response<SetUserStateReply>, Status> {
        self.check(&request)?;
        let asked = request.get_ref();
        let state = UserState::ALL.iter().find(|state| state.as_str() == asked.state);
        let state = *state.ok_or_else(|| Status::invalid_argument("a user is active or disabled"))?;
        if state == UserState::Disabled {
            self.check_not_last(&request, &asked.name, None)?;
        }
        self.core
            .catalog
            .set_user_state(&asked.name, state)
            .map_err(Error::from)?;
        let action = match state {
            UserState::Active => "user-enable",
            UserState::Disabled => "user-disable",
        };
        self.note(&request, action, &asked.name, "")?;
        Ok(Response::new(SetUserStateReply {}))
    }

    async fn unlock_user(&self, request: Request<UserRef>) -> Result<Response<UnlockUserReply>, Status> {
        self.check(&request)?;
        let name = &request.get_ref().name;
        self.core.catalog.user(name).map_err(Error::from)?;
        self.core.catalog.unlock_log_ins(name).map_err(Error::from)?;
        self.note(&request, "user-unlock", name, "")?;
        Ok(Response::new(UnlockUserReply {}))
    }

    async fn grant_role(
        &self,
        request: Request<RoleGrantRequest>,
    ) -> Result<Response<RoleGrantReply>, Status> {
        self.check(&request)?;
        let asked = request.get_ref().clone();
        let grant = convert::grant(asked.grant)?;
        let changed = self.core.accounts.grant(&asked.user, &grant)?;
        if changed {
            self.note(&request, "role-grant", &asked.user, &convert::told(&grant))?;
        }
        Ok(Response::new(RoleGrantReply { changed }))
    }

    async fn revoke_role(
        &self,
        request: Request<RoleGrantRequest>,
    ) -> Result<Response<RoleGrantReply>, Status> {
        self.check(&request)?;
        let asked = request.get_ref().clone();
        let grant = convert::grant(asked.grant)?;
        self.check_not_last(&request, &asked.user, Some(&grant))?;
        let revoked = self.core.catalog.revoke_grant(&asked.user, &grant);
        let changed = revoked.map_err(Error::from)?;
        if changed {
            self.note(&request, "role-revoke", &asked.user, &convert::told(&grant))?;
        }
        Ok(Response::new(RoleGrantReply { changed }))
    }

    async fn list_roles(
        &self,
        request: Request<ListRolesRequest>,
    ) -> Result<Response<ListRolesReply>, Status> {
        caller_of(&request)?;
        let roles = convert::roles(&self.core)?;
        Ok(Response::new(ListRolesReply { roles }))
    }

    async fn create_role(
        &self,
        request: Request<CreateRoleRequest>,
    ) -> Result<Response<CreateRoleReply>, Status> {
        self.check(&request)?;
        let asked = request.get_ref();
        let rights = convert::rights(&asked.rights)?;
        self.core.accounts.create_role(&asked.name, &rights)?;
        let subject = format!("role {}", asked.name);
        let detail = policy::access::show_rights(&rights);
        audit::note(&self.core, &actor_of(&request)?, "role-create", &subject, &detail);
        Ok(Response::new(CreateRoleReply {}))
    }

    async fn delete_role(&self, request: Request<RoleRef>) -> Result<Response<DeleteRoleReply>, Status> {
        self.check(&request)?;
        let name = &request.get_ref().name;
        self.core.accounts.delete_role(name)?;
        let subject = format!("role {name}");
        audit::note(&self.core, &actor_of(&request)?, "role-delete", &subject, "");
        Ok(Response::new(DeleteRoleReply {}))
    }
}
