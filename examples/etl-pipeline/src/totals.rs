//! From orders to a summary: plain computation, which knows of no file and no host.

use std::collections::{BTreeMap, BTreeSet};

use wasmhost_guest::{Result, bail, error};

use crate::etl_pipeline::{Order, Status, Summary, Total};

/// Sums up `records`, each id once.
pub(crate) fn summarize(records: Vec<Order>) -> Result<Summary> {
    let mut ids = BTreeSet::new();
    let mut customers = BTreeMap::<String, Total>::new();
    let mut summary = Summary { loaded: 0, skipped: 0, cents: 0, customers: Vec::new() };
    for Order { id, customer, cents, status } in records {
        if !ids.insert(id) {
            bail!("order {id} is given twice");
        }
        if cents < 0 {
            bail!("order {id} has the negative amount {cents}");
        }
        let cents = match status {
            Status::Paid => cents,
            Status::Refunded => -cents,
            Status::Cancelled => {
                summary.skipped += 1;
                continue;
            }
        };
        let total = customers.entry(customer).or_insert_with_key(|customer| Total {
            customer: customer.clone(),
            orders: 0,
            cents: 0,
        });
        let too_large = || error!("the sum is too large at order {id}");
        total.cents = total.cents.checked_add(cents).ok_or_else(too_large)?;
        summary.cents = summary.cents.checked_add(cents).ok_or_else(too_large)?;
        total.orders += 1;
        summary.loaded += 1;
    }
    summary.customers = customers.into_values().collect();
    Ok(summary)
}

/// What is written down of a summary.
pub(crate) fn lines(summary: &Summary) -> String {
    let mut lines = format!("loaded {} skipped {} cents {}\n", summary.loaded, summary.skipped, summary.cents);
    for total in &summary.customers {
        lines += &format!("customer {} orders {} cents {}\n", total.customer, total.orders, total.cents);
    }
    lines
}
