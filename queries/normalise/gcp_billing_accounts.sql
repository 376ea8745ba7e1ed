/*
id: gcp_billing_accounts
title: Billing accounts of Google Cloud and the projects linked to them, to the inventory
version: 1
owner: finops-ledger
provider: Google Cloud
why: >
  A bill knows its account by number and says nothing of projects that cost nothing or whose billing is disabled. The Cloud
  Billing API knows the account's name, whether it is open, and every project that is linked to it.
sources:
  - Cloud Billing API v1, billingAccounts.list and billingAccounts.projects.list, as finops writes them, a line per project
misses: >
  Projects have their id only: names, labels and folders are Resource Manager's. When an account or project was made is not stated.
  A project that moved and whose former account can't be read any more is listed under both until it can.
yields: inventory
detect: [billingAccount.open, billingAccount.name, project.billingEnabled]
reads:
  account_currency: {type: text, from: billingAccount.currencyCode}
  account_master: {type: text, from: billingAccount.masterBillingAccount}
  account_name: {type: text, from: billingAccount.name}
  account_open: {type: text, from: billingAccount.open}
  account_title: {type: text, from: billingAccount.displayName}
  billing_enabled: {type: text, from: project.billingEnabled}
  project_id: {type: text, from: project.projectId}
*/
SELECT
    'Google Cloud' AS provider,
    project_id AS account_id,                               -- a bill's sub account is the project
    coalesce(project_id, split_part(account_name, '/', 2)) AS resource_id,
    coalesce(project_id, account_title) AS resource_name,
    CASE WHEN project_id IS NULL THEN 'billing account' ELSE 'project' END AS resource_type,
    CASE WHEN project_id IS NOT NULL THEN CASE billing_enabled WHEN 'true' THEN 'billing enabled' ELSE 'billing disabled' END
         WHEN account_open = 'true' THEN 'open'
         ELSE 'closed' END AS state,
    stated(json_object(
        'BillingAccountId', split_part(account_name, '/', 2),
        'BillingAccountName', account_title,
        'ParentBillingAccountId', nullif(split_part(account_master, '/', 2), ''),
        'Currency', CASE WHEN project_id IS NULL THEN account_currency END
    )) AS properties
FROM delivered
