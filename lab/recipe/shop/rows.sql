-- Every row follows from its number: two builds give the same data to the byte.
SET SESSION time_zone = '+08:00', foreign_key_checks = 1, autocommit = 0;

INSERT INTO categories VALUES (1, NULL, '全部'), (2, 1, '茶叶'), (3, 1, '瓷器'), (4, 1, '丝绸'), (5, 2, '绿茶'), (6, 2, '普洱'),
  (7, 3, 'blue & white'), (8, 4, 'Scarves'), (9, 4, 'scarves'), (10, 1, '🎁 礼品');

INSERT INTO customers (id, name, mail, gender, birthday, balance, preferences, registered_at, changed_at)
SELECT seq,
  CASE WHEN seq = 1 THEN '欧阳若曦 🐼' WHEN seq = 2 THEN 'Seán O''Brien' WHEN seq = 3 THEN 'a"b\\c%d_e\nf\tg' WHEN seq = 4 THEN '𠮷野家 👩‍👩‍👧'
    ELSE CONCAT(ELT(1 + seq % 10, '王','李','张','刘','陈','杨','赵','黄','周','吴'), ELT(1 + seq DIV 10 % 10, '伟','芳','娜','敏','静','丽','强','磊','军','洋'), seq) END,
  CONCAT('customer', seq, '@example.cn'), ELT(1 + seq % 3, '女','男','未知'),
  IF(seq % 7 = 0, NULL, DATE '1950-01-01' + INTERVAL (seq * 37 % 20000) DAY), (seq * 7919 % 1000000) / 100,
  IF(seq % 5 = 0, NULL, JSON_OBJECT('language', IF(seq % 2, 'zh-CN', 'en'), 'news', seq % 3 = 0, 'tags', JSON_ARRAY('茶', seq % 11))),
  TIMESTAMP '2016-01-01 00:00:00.000001' + INTERVAL seq * 7919 SECOND + INTERVAL seq * 131 % 1000000 MICROSECOND,
  TIMESTAMP '2021-01-01 08:00:00' + INTERVAL seq MINUTE
FROM seq_1_to_20000;

INSERT INTO addresses
SELECT seq, 1 + (seq * 13) % 20000, ELT(1 + seq % 6, '上海市','北京市','广东省','浙江省','四川省','新疆维吾尔自治区'),
  CONCAT('中山', ELT(1 + seq % 4, '东','西','南','北'), '路 ', seq % 999, ' 号 #', seq % 30), LPAD(seq * 17 % 1000000, 6, '0'),
  IF(seq % 9 = 0, NULL, 73 + (seq * 1009 % 61000) / 997), IF(seq % 9 = 0, NULL, 18 + (seq * 1013 % 35000) / 991)
FROM seq_1_to_24000;

INSERT INTO products (id, category_id, sku, name, description, price, weight_kg, flags, active, attributes)
SELECT seq, 1 + seq % 10, CONCAT('SKU-', LPAD(seq, 8, '0')), CONCAT(ELT(1 + seq % 5, '龙井','铁观音','青花碗','丝巾','礼盒'), ' No.', seq),
  IF(seq % 6 = 0, NULL, REPEAT(CONCAT('好茶配好器，', seq, ' — “quoted” & <b>bold</b>. '), 1 + seq % 12)), 1 + (seq * 7907 % 500000) / 100,
  IF(seq % 8 = 0, NULL, (seq % 5000) / 7), ELT(1 + seq % 4, '', 'new', 'sale,夏季', 'new,sale'), IF(seq % 10 = 0, b'0', b'1'),
  IF(seq % 4 = 0, NULL, JSON_OBJECT('产地', ELT(1 + seq % 3, '杭州','景德镇','苏州'), 'year', 2000 + seq % 24))
FROM seq_1_to_2000;

INSERT INTO product_images
SELECT seq, 1, 'image/png', CONCAT(0x89504E470D0A1A0A00FF, UNHEX(REPEAT(SHA2(seq, 256), 1 + seq % 60))), UNHEX(SHA2(CONCAT('image', seq), 256))
FROM seq_1_to_1200;

INSERT INTO orders (id, customer_id, address_id, state, total, ordered_at, remark)
SELECT 1000000 + seq, 1 + (seq * 7) % 20000, IF(seq % 20 = 0, NULL, 1 + (seq * 11) % 24000), ELT(1 + seq % 5, 'new','paid','sent','done','cancelled'), 0,
  TIMESTAMP '2017-03-01 00:00:00' + INTERVAL seq * 5003 SECOND + INTERVAL seq * 977 % 1000000 MICROSECOND,
  CASE WHEN seq % 50 = 0 THEN '请在 18:00 后送货 🙏' WHEN seq % 51 = 0 THEN '' WHEN seq % 52 = 0 THEN 'don''t ring' ELSE NULL END
FROM seq_1_to_50000;

INSERT INTO order_items (order_id, line, product_id, quantity, price)
SELECT 1000001 + (seq - 1) DIV 2, 1 + (seq - 1) % 2, 1 + (seq * 31) % 2000, 1 + seq % 9, 1 + (((seq * 31) % 2000 + 1) * 7907 % 500000) / 100
FROM seq_1_to_100000;

UPDATE orders SET total = (SELECT SUM(amount) FROM order_items WHERE order_id = orders.id);

INSERT INTO payments (id, order_id, method, amount, fee, paid_at, receipt)
SELECT seq, 1000000 + seq, ELT(1 + seq % 3, '支付宝','微信支付','银行卡'), (seq * 6007 % 9000000) / 100, (seq * 6007 % 9000000) / 100 * 0.006,
  IF(seq % 13 = 0, NULL, TIMESTAMP '2017-03-01 00:05:00' + INTERVAL seq * 5003 SECOND),
  IF(seq % 17 = 0, NULL, CONCAT_WS('-', LEFT(MD5(seq), 8), MID(MD5(seq), 9, 4), CONCAT('4', MID(MD5(seq), 14, 3)), CONCAT('a', MID(MD5(seq), 18, 3)), RIGHT(MD5(seq), 12)))
FROM seq_1_to_30000;

INSERT INTO reviews (id, product_id, customer_id, stars, `customer's words`, score)
SELECT seq, 1 + (seq * 3) % 2000, 1 + (seq * 19) % 20000, 1 + seq % 5, ELT(1 + seq % 5, '非常好 👍👍', 'It''s "fine"', NULL, '', '一般般；包装破了'), IF(seq % 4 = 0, NULL, SQRT(seq) / 3)
FROM seq_1_to_8000;

INSERT INTO price_history
SELECT 1 + seq % 2000, 1 + seq % 97, 1 + seq % 89, TIMESTAMP '2019-06-01 00:00:00.5' + INTERVAL seq HOUR FROM seq_1_to_6000;

INSERT INTO settings VALUES ('currency', 'CNY', NULL), ('站点名称', '云上小店 🛒', 0x00FF00FE27225C), ('it''s "quoted"', 'back\\slash', 0x1A0A0D),
  ('empty', '', ''), ('nothing', NULL, NULL), ('long', REPEAT('长文本', 40000), NULL), ('zero date is refused', '0001-01-01', NULL);
COMMIT;
ANALYZE TABLE customers, addresses, products, orders, order_items, payments, reviews;
