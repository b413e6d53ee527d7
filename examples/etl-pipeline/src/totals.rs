//! From orders to a summary: plain computation, which knows of no file and no host.

use std::collections::{BTreeMap, BTreeSet};

use crate::exports::example::etl_pipeline::etl_pipeline::{Order, Status, Summary, Total};

/// Sums up `records`, each id once.
pub(crate) fn summarize(records: Vec<Order>) -> Result<Summary, String> {
    let mut ids = BTreeSet::new();
    let mut customers = BTreeMap::<String, Total>::new();
    let mut summary = Summary { loaded: 0, skipped: 0, cents: 0, customers: Vec::new() };
    for Order { id, customer, cents, status } in records {
        if !ids.insert(id) {
            return Err(format!("order {id} is given twice"));
        }
        if cents < 0 {
            return Err(format!("order {id} has the negative amount {cents}"));
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
        let too_large = || format!("the sum is too large at order {id}");
        total.cents = total.cents.checked_add(cents).ok_or_else(too_large)?;
        summary.cents = summary.cents.checked_add(cents).ok_or_else(too_large)?;
        total.orders += 1;
        summary.loaded += 1;
    }
    summary.customers = customers.into_values().collect();
    Ok(summary)
}
