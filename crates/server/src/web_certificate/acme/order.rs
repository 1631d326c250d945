//! One conversation with an ACME server: account, order, proof of each name, certificate.

use std::sync::Arc;
use std::time::Duration;

use instant_acme::{
    Account, AuthorizationHandle, AuthorizationStatus, ChallengeType, Error, Identifier, NewAccount,
    NewOrder, Order, OrderStatus, RetryPolicy,
};
use tracing::info;

use super::cache::{Cache, SavedAccount};
use super::fault::words;
use super::http::Http;
use super::{AcmeFault, AcmeSettings};
use crate::web_certificate::challenges::{Answer, Challenges};

const PATIENCE: RetryPolicy = RetryPolicy::new()
    .initial_delay(Duration::from_millis(500))
    .backoff(1.5)
    .timeout(Duration::from_secs(120));
const NO_ACCOUNT: &str = "urn:ietf:params:acme:error:accountDoesNotExist";

/// What is needed to order a certificate.
pub struct Ordering<'a> {
    /// What for.
    pub settings: &'a AcmeSettings,
    /// Where the account is kept.
    pub cache: &'a Cache,
    /// What answers for our names.
    pub challenges: &'a Arc<Challenges>,
    /// What makes requests.
    pub http: &'a Http,
}

impl Ordering<'_> {
    /// Gets a certificate. Returns it with those that lead to its authority, and its key, both PEM.
    pub async fn run(&mut self) -> Result<(String, String), AcmeFault> {
        let mut order = self.new_order().await?;
        let answers = self.answer_all(&mut order).await?;
        let status = order.poll_ready(&PATIENCE).await;
        if !matches!(status, Ok(OrderStatus::Ready)) {
            return Err(why_not(&mut order, status.err()).await);
        }
        drop(answers);
        let key_pem = order.finalize().await?;
        let chain_pem = order.poll_certificate(&PATIENCE).await?;
        Ok((chain_pem, key_pem))
    }

    async fn new_order(&self) -> Result<Order, AcmeFault> {
        let domains = self.settings.domains.iter();
        let identifiers: Vec<_> = domains.map(|domain| Identifier::Dns(domain.clone())).collect();
        let wanted = NewOrder::new(&identifiers);
        if let Some(saved) = self.cache.account() {
            let account = self.known_account(saved).await;
            let ordered = match account {
                Ok(account) => account.new_order(&wanted).await,
                Err(error) => Err(error),
            };
            match ordered {
                // An ACME server of one's own may have been set up anew.
                Err(Error::Api(problem)) if problem.r#type.as_deref() == Some(NO_ACCOUNT) => {}
                ordered => return Ok(ordered?),
            }
        }
        Ok(self.new_account().await?.new_order(&wanted).await?)
    }

    async fn known_account(&self, saved: SavedAccount) -> Result<Account, Error> {
        let is_same = saved.contact == self.settings.contact;
        let account = Account::builder_with_http(Box::new(self.http.clone()))
            .from_credentials(saved.credentials)
            .await?;
        if !is_same {
            let contact = self.contact();
            let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
            account.update_contacts(&contact).await?;
            if let Some(mut saved) = self.cache.account() {
                saved.contact.clone_from(&self.settings.contact);
                self.keep(&saved)?;
            }
        }
        Ok(account)
    }

    async fn new_account(&self) -> Result<Account, Error> {
        let contact = self.contact();
        let contact: Vec<&str> = contact.iter().map(String::as_str).collect();
        let wanted = NewAccount {
            contact: &contact,
            // Who sets this up has to: the manual says so.
            terms_of_service_agreed: true,
            only_return_existing: false,
        };
        let builder = Account::builder_with_http(Box::new(self.http.clone()));
        let (account, credentials) = builder
            .create(&wanted, self.settings.directory.clone(), None)
            .await?;
        info!(
            directory = self.settings.directory,
            "there is an account at the ACME server now"
        );
        self.keep(&SavedAccount {
            contact: self.settings.contact.clone(),
            credentials,
        })?;
        Ok(account)
    }

    fn keep(&self, saved: &SavedAccount) -> Result<(), Error> {
        let kept = self.cache.keep_account(saved);
        kept.map_err(|error| Error::Other(error.chain().into()))
    }

    fn contact(&self) -> Option<String> {
        let contact = self.settings.contact.as_ref()?;
        Some(format!("mailto:{contact}"))
    }

    /// Answers for every name that is not proven yet, and says so.
    async fn answer_all(&self, order: &mut Order) -> Result<Vec<Answer>, AcmeFault> {
        let mut answers = Vec::new();
        let mut authorizations = order.authorizations();
        while let Some(authorization) = authorizations.next().await {
            answers.extend(self.answer(authorization?).await?);
        }
        Ok(answers)
    }

    async fn answer(&self, mut authorization: AuthorizationHandle<'_>) -> Result<Option<Answer>, AcmeFault> {
        if authorization.status != AuthorizationStatus::Pending {
            // Proven before, or what is wrong is told by the order.
            return Ok(None);
        }
        let name = authorization.identifier().to_string();
        let Some(mut challenge) = authorization.challenge(ChallengeType::TlsAlpn01) else {
            return Err(AcmeFault::NoChallenge { name });
        };
        let digest = challenge.key_authorization().digest();
        let digest = digest.as_ref().try_into().expect("SHA-256 has 32 bytes");
        let answer = self.challenges.answer(&name, digest)?;
        challenge.set_ready().await?;
        Ok(Some(answer))
    }
}

/// Finds out which name could not be proven, and why.
async fn why_not(order: &mut Order, error: Option<Error>) -> AcmeFault {
    let mut authorizations = order.authorizations();
    while let Some(Ok(mut authorization)) = authorizations.next().await {
        if authorization.refresh().await.is_err() {
            continue;
        }
        let name = authorization.identifier().to_string();
        let mut challenges = authorization.challenges.iter();
        if let Some(problem) = challenges.find_map(|challenge| challenge.error.as_ref()) {
            let why = words(problem);
            return AcmeFault::NotProven { name, why };
        }
    }
    match error {
        Some(error) => error.into(),
        None => AcmeFault::Refused("it refuses the order and gives no reason".into()),
    }
}
