CREATE DATABASE shop CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci;
USE shop;

CREATE TABLE customers (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(80) NOT NULL COMMENT '姓名',
  mail VARCHAR(120) NOT NULL,
  gender ENUM('女','男','未知') NOT NULL DEFAULT '未知',
  birthday DATE NULL,
  balance DECIMAL(12,2) NOT NULL DEFAULT 0.00,
  preferences JSON NULL,
  registered_at DATETIME(6) NOT NULL,
  changed_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,
  UNIQUE KEY customers_mail (mail),
  KEY customers_name (name(20)),
  CONSTRAINT customers_balance_positive CHECK (balance >= 0)
) COMMENT='客户';

CREATE TABLE addresses (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  province VARCHAR(20) NOT NULL,
  street VARCHAR(200) NOT NULL,
  postcode CHAR(6) NOT NULL,
  longitude DOUBLE NULL,
  latitude FLOAT NULL,
  CONSTRAINT addresses_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE
);

CREATE TABLE categories (
  id SMALLINT UNSIGNED NOT NULL PRIMARY KEY,
  parent_id SMALLINT UNSIGNED NULL,
  name VARCHAR(40) COLLATE utf8mb4_bin NOT NULL UNIQUE,
  CONSTRAINT categories_parent FOREIGN KEY (parent_id) REFERENCES categories (id)
);

CREATE TABLE products (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  category_id SMALLINT UNSIGNED NOT NULL,
  sku CHAR(12) CHARACTER SET ascii NOT NULL UNIQUE,
  name VARCHAR(100) NOT NULL,
  description TEXT NULL,
  price DECIMAL(10,2) NOT NULL,
  tax_rate DECIMAL(5,4) NOT NULL DEFAULT 0.1300,
  gross_price DECIMAL(12,2) AS (ROUND(price * (1 + tax_rate), 2)) STORED,
  name_length INT AS (CHAR_LENGTH(name)) VIRTUAL,
  weight_kg FLOAT NULL,
  flags SET('new','sale','夏季') NOT NULL DEFAULT '',
  active BIT(1) NOT NULL DEFAULT b'1',
  attributes JSON NULL,
  FULLTEXT KEY products_text (name, description),
  CONSTRAINT products_category FOREIGN KEY (category_id) REFERENCES categories (id) ON UPDATE CASCADE,
  CONSTRAINT products_price_positive CHECK (price > 0)
);

CREATE TABLE product_images (
  product_id INT UNSIGNED NOT NULL,
  position TINYINT UNSIGNED NOT NULL,
  media_type VARCHAR(40) NOT NULL DEFAULT 'image/png',
  content MEDIUMBLOB NOT NULL,
  digest BINARY(32) NOT NULL,
  PRIMARY KEY (product_id, position),
  CONSTRAINT product_images_product FOREIGN KEY (product_id) REFERENCES products (id)
);

CREATE TABLE orders (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  customer_id INT UNSIGNED NOT NULL,
  address_id INT UNSIGNED NULL,
  state ENUM('new','paid','sent','done','cancelled') NOT NULL DEFAULT 'new',
  total DECIMAL(14,2) NOT NULL DEFAULT 0.00,
  ordered_at DATETIME(6) NOT NULL,
  year_of_order SMALLINT AS (YEAR(ordered_at)) STORED,
  remark VARCHAR(200) NULL,
  KEY orders_ordered_at (ordered_at),
  CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id),
  CONSTRAINT orders_address FOREIGN KEY (address_id) REFERENCES addresses (id) ON DELETE SET NULL
) AUTO_INCREMENT=1000001;

CREATE TABLE order_items (
  order_id BIGINT UNSIGNED NOT NULL,
  line SMALLINT UNSIGNED NOT NULL,
  product_id INT UNSIGNED NOT NULL,
  quantity INT NOT NULL,
  price DECIMAL(10,2) NOT NULL,
  amount DECIMAL(14,2) AS (quantity * price) STORED,
  PRIMARY KEY (order_id, line),
  CONSTRAINT order_items_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
  CONSTRAINT order_items_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT order_items_quantity CHECK (quantity BETWEEN 1 AND 999)
);

CREATE TABLE payments (
  id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  order_id BIGINT UNSIGNED NOT NULL,
  method VARCHAR(20) NOT NULL,
  amount DECIMAL(14,2) NOT NULL,
  fee DOUBLE NOT NULL,
  paid_at DATETIME(6) NULL,
  receipt UUID NULL,
  CONSTRAINT payments_order FOREIGN KEY (order_id) REFERENCES orders (id)
);

CREATE TABLE `reviews` (
  id INT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,
  product_id INT UNSIGNED NOT NULL,
  customer_id INT UNSIGNED NOT NULL,
  stars TINYINT NOT NULL CHECK (stars BETWEEN 1 AND 5),
  `customer's words` VARCHAR(500) NULL,
  score DOUBLE NULL,
  CONSTRAINT reviews_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT reviews_customer FOREIGN KEY (customer_id) REFERENCES customers (id)
);

CREATE TABLE price_history (
  product_id INT UNSIGNED NOT NULL,
  old_price DECIMAL(10,2) NOT NULL,
  new_price DECIMAL(10,2) NOT NULL,
  changed_at DATETIME(6) NOT NULL,
  KEY price_history_product (product_id)
) COMMENT='no primary key, on purpose';

CREATE TABLE settings (
  name VARCHAR(60) NOT NULL PRIMARY KEY,
  value LONGTEXT NULL,
  opaque VARBINARY(255) NULL
);

CREATE TABLE empty_table (id INT NOT NULL PRIMARY KEY, note TEXT NULL);
