/*
id: bill_counted_once
title: No account's month is held by two sources
version: 1
owner: finops-ledger
grade: warn
why: >
  Sources do not replace each other. A bill that was first loaded by hand and then comes from a configured source, or an account
  that delivers a CUR and a FOCUS export, is in the ledger twice, and every total with it.
misses: >
  Vendors that name no billing account. Two sources that rightly share an account's month, because each delivers a part of it,
  are reported too: if that is meant, copy this file into your queries folder and leave them out.
reads: [ledger.slice, ledger.charge]
*/
WITH held AS (
    SELECT
        s.billing_account_id,
        s.billing_period_start,
        string_agg(DISTINCT s.source_id, ' and ' ORDER BY s.source_id) AS sources,
        count(DISTINCT s.source_id) AS source_count
    FROM ledger.slice AS s
    WHERE s.billing_account_id IS NOT NULL
    GROUP BY s.billing_account_id, s.billing_period_start
),

bill_counted_once AS (
    SELECT
        billing_account_id AS account,
        strftime(billing_period_start, '%Y-%m') AS billing_month,
        sources
    FROM held
    WHERE source_count > 1
)

SELECT * FROM bill_counted_once ORDER BY account, billing_month
