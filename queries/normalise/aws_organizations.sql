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
  - AWS Organizations, ListAccounts, ListAccountsForParent, ListTagsForResource, as the collector writes them, a line per account
misses: >
  Email addresses are personal data and are not kept. Accounts that left the organization are gone. created_at is known for accounts
  that the organization made; when an invited one joined is in properties.
yields: inventory
detect: [account.Id, account.JoinedMethod, unit_ids, tags]
reads:
  account_id: {type: text, from: account.Id}
  arn: {type: text, from: account.Arn}
  joined_at: {type: timestamp, from: account.JoinedTimestamp}
  joined_method: {type: text, from: account.JoinedMethod}
  name: {type: text, from: account.Name}
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
        -- arn:aws:organizations::<management account>:account/<organization>/<account>
        'OrganizationId', nullif(regexp_extract(arn, ':account/(o-[^/]+)/', 1), ''),
        'ManagementAccountId', nullif(regexp_extract(arn, '::([0-9]+):account/', 1), ''),
        'UnitPath', unit_path,                  -- Root/Workloads/Research
        'UnitIds', unit_ids,                    -- the same from the root down, as r-… and ou-…
        'JoinedMethod', joined_method,
        'JoinedAt', strftime(joined_at, '%Y-%m-%dT%H:%M:%SZ')
    )) AS properties
FROM delivered
