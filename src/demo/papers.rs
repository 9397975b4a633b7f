//! What an OCR service reads in the papers that companies send one another: notas fiscais, boletos and invoices.

use rand::RngExt as _;
use rand::rngs::StdRng;
use serde_json::{Value, json};

const COMPANIES: [(&str, &str); 6] = [
    ("Padaria Horizonte Ltda", "11.222.333/0001-81"),
    ("Construções Vale Verde S.A.", "12.345.678/0001-95"),
    ("Transportes Três Rios ME", "11.444.777/0001-61"),
    ("Papelaria Primavera Eireli", "22.333.444/0001-81"),
    ("Café & Grãos do Sul Ltda", "33.444.555/0001-81"),
    ("Serviços Elétricos \"Luz Nova\"", "44.555.666/0001-81"),
];

const GOODS: [(&str, &str); 7] = [
    ("Cimento CP II 50 kg", "SC"),
    ("Papel A4 75 g/m², caixa com 10 resmas", "CX"),
    ("Frete rodoviário São Paulo – Goiânia", "UN"),
    ("Café torrado em grãos", "KG"),
    ("Instalação elétrica, mão de obra", "H"),
    ("Pão francês", "KG"),
    ("Tubo PVC 100 mm", "M"),
];

const SUPPLIERS: [&str; 4] = ["Northwind Paper Co.", "Harbour Freight & Sons", "Blue Ridge Instruments Inc.", "Kestrel Cloud Services Ltd"];

const SUPPLIES: [&str; 5] =
    ["A4 copy paper, box of 10", "Ocean freight, 20 ft container", "Digital caliper 150 mm", "Compute, 720 h", "Support plan, monthly"];

/// One paper, as its fields were read.
pub(super) fn any(chance: &mut StdRng) -> Value {
    match chance.random_range(0..10) {
        0..5 => nota_fiscal(chance),
        5..8 => boleto(chance),
        _ => invoice(chance),
    }
}

fn nota_fiscal(chance: &mut StdRng) -> Value {
    let (issuer, receiver) = two_of(&COMPANIES, chance);
    let mut total = 0;
    let items: Vec<Value> = (0..chance.random_range(1..=4))
        .map(|_| {
            let (description, unit) = one_of(&GOODS, chance);
            let (quantity, price) = (chance.random_range(1..=60), cents(chance, 350..=48_000));
            total += quantity * price;
            json!({
                "descricao": description,
                "unidade": unit,
                "quantidade": quantity,
                "valorUnitario": money(price),
                "valorTotal": money(quantity * price),
            })
        })
        .collect();
    json!({
        "tipoDocumento": "NOTA_FISCAL",
        "numero": format!("{:09}", chance.random_range(1..=999_999)),
        "serie": chance.random_range(1..=3),
        "dataEmissao": date(chance),
        "emitente": { "razaoSocial": issuer.0, "cnpj": issuer.1 },
        "destinatario": { "razaoSocial": receiver.0, "cnpj": receiver.1 },
        "itens": items,
        "valorTotal": money(total),
        "moeda": "BRL",
        "confianca": confidence(chance),
    })
}

fn boleto(chance: &mut StdRng) -> Value {
    let (beneficiary, payer) = two_of(&COMPANIES, chance);
    let amount = cents(chance, 1_990..=985_000);
    json!({
        "tipoDocumento": "BOLETO",
        "linhaDigitavel": format!(
            "00190.{:05} {:05}.{:06} {:05}.{:06} {} {:014}",
            digits(chance, 5), digits(chance, 5), digits(chance, 6), digits(chance, 5), digits(chance, 6), digits(chance, 1), amount
        ),
        "vencimento": date(chance),
        "beneficiario": { "nome": beneficiary.0, "cnpj": beneficiary.1 },
        "pagador": { "nome": payer.0, "cnpj": payer.1 },
        "valor": money(amount),
        "instrucoes": "Não receber após o vencimento. Multa de 2%.",
        "confianca": confidence(chance),
    })
}

fn invoice(chance: &mut StdRng) -> Value {
    let (quantity, price) = (chance.random_range(1..=40), cents(chance, 900..=125_000));
    let subtotal = quantity * price;
    let tax = subtotal / 5;
    json!({
        "documentType": "INVOICE",
        "invoiceNumber": format!("INV-{:06}", digits(chance, 6)),
        "issueDate": date(chance),
        "supplier": one_of(&SUPPLIERS, chance),
        "customer": one_of(&COMPANIES, chance).0,
        "lines": [{ "description": one_of(&SUPPLIES, chance), "quantity": quantity, "unitPrice": money(price), "amount": money(subtotal) }],
        "subtotal": money(subtotal),
        "tax": money(tax),
        "total": money(subtotal + tax),
        "currency": "USD",
        "confidence": confidence(chance),
    })
}

fn one_of<T: Copy, const N: usize>(all: &[T; N], chance: &mut StdRng) -> T {
    all[chance.random_range(0..N)]
}

/// Two different ones.
fn two_of<T: Copy, const N: usize>(all: &[T; N], chance: &mut StdRng) -> (T, T) {
    let first = chance.random_range(0..N);
    let second = (first + chance.random_range(1..N)) % N;
    (all[first], all[second])
}

fn cents(chance: &mut StdRng, range: std::ops::RangeInclusive<u32>) -> u32 {
    chance.random_range(range)
}

fn money(cents: u32) -> f64 {
    f64::from(cents) / 100.0
}

fn date(chance: &mut StdRng) -> String {
    format!("2024-{:02}-{:02}", chance.random_range(1..=12), chance.random_range(1..=28))
}

fn digits(chance: &mut StdRng, count: u32) -> u32 {
    chance.random_range(0..10_u32.pow(count))
}

fn confidence(chance: &mut StdRng) -> f64 {
    f64::from(chance.random_range(8_200..=9_990)) / 10_000.0
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng as _;

    use super::*;

    #[test]
    fn all_sorts_of_papers_come_up_and_their_sums_are_right() {
        let mut chance = StdRng::seed_from_u64(7);

        let papers: Vec<Value> = (0..60).map(|_| any(&mut chance)).collect();

        let of = |key: &str, sort: &str| papers.iter().filter(|paper| paper[key] == sort).count();
        assert!(of("tipoDocumento", "NOTA_FISCAL") > 0 && of("tipoDocumento", "BOLETO") > 0 && of("documentType", "INVOICE") > 0);
        for paper in papers.iter().filter(|paper| paper["tipoDocumento"] == "NOTA_FISCAL") {
            let items = paper["itens"].as_array().unwrap();
            let sum: f64 = items.iter().map(|item| item["valorTotal"].as_f64().unwrap()).sum();
            assert!((sum - paper["valorTotal"].as_f64().unwrap()).abs() < 0.01, "{paper}");
        }
    }

    #[test]
    fn issuer_and_receiver_are_never_the_same() {
        let mut chance = StdRng::seed_from_u64(7);

        for _ in 0..200 {
            let (first, second) = two_of(&COMPANIES, &mut chance);
            assert_ne!(first, second);
        }
    }
}
