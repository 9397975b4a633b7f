//! The sentence in Brazilian Portuguese.

use std::borrow::Cow;

use super::{Explanation, FailureReason, Past, Timestamp, Wait};
use crate::domain::webhook::DisableReason;

pub(super) fn say(explanation: Explanation<'_>, written: &impl Fn(Timestamp) -> String) -> String {
    let at = |time: Option<Timestamp>| time.map(written).unwrap_or_default();
    match explanation {
        Explanation::Waiting(past, wait) => format!("{}; {}", so_far(past), what_next(wait, written)),
        Explanation::UnderWay(number) => format!("A tentativa {number} está em curso."),
        Explanation::Taken(time, number) => format!("O receptor a aceitou em {}, na tentativa {number}.", at(time)),
        Explanation::GivenUp(time, number, reason) => {
            format!("Desistiu-se dela em {} na tentativa {number} porque {}, o que não passa por si só.", at(time), in_words(reason))
        }
        Explanation::Exhausted(time, attempts, last) => {
            let (attempts, because) = (counted(attempts), because(last));
            format!("Desistiu-se dela em {} porque a programação terminou após {attempts}; a última falhou{because}.", at(time))
        }
        Explanation::CalledOff(time, attempts) => {
            let attempts = counted(attempts);
            format!("Foi cancelada em {} após {attempts}, por uma pessoa ou porque o seu webhook foi excluído.", at(time))
        }
    }
}

/// What happened before the wait.
fn so_far(past: Past<'_>) -> String {
    match past {
        Past::NoAttempt => "Nenhuma tentativa foi feita ainda".to_owned(),
        Past::Redelivered(attempts) => format!("Foi mandada entregar de novo após {}", counted(attempts)),
        Past::Failed(number, reason) => format!("A tentativa {number} falhou{}", because(reason)),
    }
}

fn what_next(wait: Wait<'_>, written: &impl Fn(Timestamp) -> String) -> String {
    match wait {
        Wait::Paused => "espera porque o seu webhook está pausado, até que alguém o retome.".to_owned(),
        Wait::Disabled(reason) => {
            let why = match reason {
                DisableReason::Gone => "o receptor respondeu 410 (gone)",
                DisableReason::FailingTooLong => "todas as tentativas falharam por tempo demais",
            };
            format!("espera porque o seu webhook está desativado ({why}), até que alguém o retome.")
        }
        Wait::Probe(until) => format!("espera porque o receptor não está lá: uma entrega sonda isso em {}.", written(until)),
        Wait::Probing => "espera porque o receptor não está lá, até que uma entrega chegue.".to_owned(),
        Wait::HeldBack(until) => {
            format!("espera até {} porque o receptor pediu uma pausa ou porque nenhum login funcionou.", written(until))
        }
        Wait::Planned(due_at) => format!("a próxima tentativa está prevista para {}.", written(due_at)),
        Wait::Due(due_at) => format!("a próxima tentativa está na vez desde {} e começa assim que houver lugar.", written(due_at)),
    }
}

fn because(reason: Option<&FailureReason>) -> String {
    reason.map(|reason| format!(" porque {}", in_words(reason))).unwrap_or_default()
}

fn in_words(reason: &FailureReason) -> Cow<'static, str> {
    match reason {
        FailureReason::Status(status) => format!("o receptor respondeu {status}").into(),
        FailureReason::Gone => "o receptor respondeu 410 (gone)".into(),
        FailureReason::Timeout => "o prazo passou antes de chegar uma resposta".into(),
        FailureReason::Dns => "o nome do receptor não pôde ser resolvido".into(),
        FailureReason::Connect => "não foi possível conectar ao receptor".into(),
        FailureReason::Tls => "não foi possível uma conexão TLS confiável".into(),
        FailureReason::Protocol => "a conexão se rompeu ou a resposta não era HTTP".into(),
        FailureReason::Authorization => "o login em authorizationUrl não deu um token de acesso".into(),
        FailureReason::AddressNotAllowed => "o endereço do receptor não é um dos que podem ser chamados".into(),
        FailureReason::Unsendable => "a definição e o evento não formam uma requisição".into(),
    }
}

fn counted(attempts: u32) -> String {
    match attempts {
        1 => "1 tentativa".to_owned(),
        more => format!("{more} tentativas"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_sentence_is_whole() {
        let (at, reason) = (Timestamp::from_micros(9_000_000), FailureReason::Status(503));
        let said = |explanation| say(explanation, &|time| format!("{}s", time.as_seconds()));
        let waits = |past, wait| said(Explanation::Waiting(past, wait));

        assert_eq!(
            waits(Past::Failed(2, Some(&reason)), Wait::Planned(at)),
            "A tentativa 2 falhou porque o receptor respondeu 503; a próxima tentativa está prevista para 9s."
        );
        assert_eq!(
            waits(Past::NoAttempt, Wait::Disabled(&DisableReason::Gone)),
            "Nenhuma tentativa foi feita ainda; espera porque o seu webhook está desativado (o receptor respondeu 410 (gone)), \
             até que alguém o retome."
        );
        assert_eq!(
            said(Explanation::Exhausted(Some(at), 10, Some(&FailureReason::Timeout))),
            "Desistiu-se dela em 9s porque a programação terminou após 10 tentativas; a última falhou porque o prazo passou antes de \
             chegar uma resposta."
        );
        assert_eq!(said(Explanation::Taken(Some(at), 1)), "O receptor a aceitou em 9s, na tentativa 1.");
        for wait in [Wait::Paused, Wait::Probe(at), Wait::Probing, Wait::HeldBack(at), Wait::Due(at)] {
            let sentence = waits(Past::Redelivered(1), wait);
            assert!(sentence.starts_with("Foi mandada entregar de novo após 1 tentativa; ") && sentence.ends_with('.'), "{sentence}");
        }
    }
}
