<?php
/* shop.php - a PHP shop whose orders ring: by PDO, and without a word about orderbell.
 *
 *   php shop.php paid|cooking|reminds SN
 *
 * attach.sql has attached its table public.shop_order: whatever statement makes is_paid true rings
 * at the merchant when it commits, one that is rolled back does not.  The shop's role needs its
 * rights on that table and nothing else.  DSN, user and password come from the environment, as a
 * host gives them: SHOP_DSN ("pgsql:host=...;dbname=shop"), SHOP_USER, SHOP_PASSWORD.
 */
declare(strict_types=1);

const STATEMENTS = [
	'paid' => 'UPDATE shop_order SET is_paid = true WHERE sn = ? AND NOT is_paid',
	'cooking' => "UPDATE shop_order SET state = 'cooking' WHERE sn = ?",
	'reminds' => 'UPDATE shop_order SET reminded_at = now() WHERE sn = ?',
];

[, $what, $sn] = $argv + ['', '', ''];
if (!isset(STATEMENTS[$what]) || $sn === '') {
	fwrite(STDERR, "usage: php shop.php paid|cooking|reminds SN\n");
	exit(2);
}

$db = new PDO(getenv('SHOP_DSN') ?: 'pgsql:dbname=shop', getenv('SHOP_USER') ?: null,
	getenv('SHOP_PASSWORD') ?: null, [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION]);

/* What else belongs to a payment (its ledger, its stock) goes into the same transaction. */
$db->beginTransaction();
$statement = $db->prepare(STATEMENTS[$what]);
$statement->execute([$sn]);
$db->commit();
echo $statement->rowCount(), " changed\n";
