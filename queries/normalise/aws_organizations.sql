/*
id: aws_organizations
title: Accounts of an AWS organization, to the inventory
version: 1
owner: finops-ledger
provider: AWS
why: >
  A bill knows accounts by number. The organization knows their names, the organizational units they are in and their tags, which
  say who answers for an account whose resources say nothing.
sources:
  - AWS Organizations, ListAccounts, ListOrganizationalUnitsForParent, ListTagsForResource, as finops writes them, a line per account
misses: >
  Email addresses are personal data and are not kept. Accounts that left the organization are gone. created_at is known for accounts
  that the organization made; when an invited one joined is in properties.
yields: inventory
detect: [account.JoinedTimestamp, account.Id, organization.MasterAccountId]
reads:
  account_id: {type: text, from: account.Id}
  arn: {type: text, from: account.Arn}
  joined_at: {type: timestamp, from: account.JoinedTimestamp}
  joined_method: {type: text, from: account.JoinedMethod}
  management_account_id: {type: text, from: organization.MasterAccountId}
  name: {type: text, from: account.Name}
  organization_id: {type: text, from: organization.Id}
  state: {type: text, from: [account.State, account.Status]}
  tags: map
  unit_ids: json
  unit_path: text
*/
SELECT
    'AWS' AS provider,
    account_id,
    account_id AS resource_id,
    name AS resource_name,
    'account' AS resource_type,
    state,
    CASE WHEN joined_method = 'CREATED' THEN joined_at END AS created_at,
    tags,
    stated(json_object(
        'Arn', arn,
        'OrganizationId', organization_id,
        'UnitPath', unit_path,                  -- Root/Workloads/Research
        'UnitIds', unit_ids,                    -- the same from the root down, as r-… and ou-…
        'JoinedMethod', joined_method,
        'JoinedAt', strftime(joined_at, '%Y-%m-%dT%H:%M:%SZ'),
        'IsManagementAccount', account_id = management_account_id
    )) AS properties
FROM delivered
